# Takes the lock of the operators, and holds it; needs rooted, alive, history and let_go.
# Composed by ops.lock.
# shellcheck disable=SC1007  # the value is empty, as the blank says
# shellcheck disable=SC2086  # the words are split on purpose

lock() {  # RUN OWNER ROOT LINE: a ROOT of "root" insists that nobody else can change the folder; LINE begins the history of what is done under it
  file=$1/lock
  if [ "$3" = root ] && ! why=$(rooted "$1"); then
    echo "unfit $1 holds the lock, and root keeps it only where it alone can write:" $why
    return
  fi
  (umask 022; mkdir -p -- "$1")
  if [ -L "$file" ] || { [ -e "$file" ] && [ ! -f "$file" ]; }; then echo "unfit $file is a link or no file"; return; fi
  # Whoever may read it may lock it.
  [ -e "$file" ] || (umask 077; : >> "$file")
  chmod 600 -- "$file"
  exec 9>> "$file"
  if ! flock -n 9; then
    exec 9>&-
    tries=0
    until named; do
      tries=$((tries + 1))
      # Whoever has taken it just now is about to say so.
      [ "$tries" -lt 20 ] || { echo "taken $(holder)"; return; }
      sleep 0.1
    done
    echo "held $pid $who"
    return
  fi
  read -r stat < "/proc/$$/stat"
  run=$1 owner=$2 root=$3 line=$4
  set -- ${stat##*) }
  printf '%s %s %s\n' "$$" "${20}" "$owner" > "$file"
  # The history is no reason to keep an operator out.
  why=$(remember "$run" "$root" "$line") || :
  echo locked $why
  let_go
  [ -z "$last" ] || remember "$run" "$root" "$last" > /dev/null || :
  : > "$file"
}
still() {  # RUN OWNER: whether it is still held for this owner
  file=$1/lock owner=$2
  if [ -f "$file" ] && named && [ "$who" = "$owner" ]; then echo still; else echo lost; fi
}
named() {  # who holds it has said so
  pid= began= who=
  read -r pid began who < "$file" || :
  alive "${pid:-0}" "$began" && holds "$pid"
}
holds() {  # PID: a lock on the file, by what the kernel says of the process's open files; proc(5)
  for open in "/proc/$1/fd/"*; do
    [ "$open" -ef "$file" ] || continue
    while read -r word _; do
      [ "$word" != lock: ] || return 0
    done < "/proc/$1/fdinfo/${open##*/}"
  done 2>/dev/null
  return 1
}
holder() {  # pids, user and command of those that hold it, or nothing where none can be seen
  pids= first=
  for process in /proc/[0-9]*; do
    ! holds "${process#/proc/}" || { first=${first:-$process}; pids=$pids,${process#/proc/}; }
  done
  [ -z "$first" ] ||
    echo "${pids#,} $(stat -c %U -- "$first") $(tr -c ' -~' ' ' < "$first/cmdline" | cut -c 1-80)"
}
