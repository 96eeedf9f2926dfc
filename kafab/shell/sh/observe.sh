# Prints what a host has of its nodes; needs plain, alive, lies, and under systemd rooted, ready, as_account and main_process.
# Composed by observation; a line is whole, and a path is always its last word.
# shellcheck disable=SC2086  # the words are split on purpose
# shellcheck disable=SC2116  # echo makes one line of several
# shellcheck disable=SC2154  # supervisor's functions set pid and start, observation sets wanted
# shellcheck disable=SC3067  # -O is not POSIX's, but every sh of a Linux host has it

refuse() { echo "$1" >&2; exit 78; }
java_at() {
  for candidate do
    [ -x "$candidate" ] || continue
    echo "java $candidate"
    real=$(readlink -f -- "$candidate") || continue
    home=${real%/bin/java}
    [ -r "$home/release" ] || home=${home%/jre}
    [ -r "$home/release" ] || return 0
    while IFS='=' read -r key value; do
      [ "$key" != JAVA_VERSION ] || echo "javaversion $value"
    done < "$home/release"
    return 0
  done
}
releases() {
  [ ! -d "$1" ] || echo "folder $1"
  for found in "$1"/kafka_* "$1"/jmx_prometheus_javaagent-*; do
    [ ! -d "$found" ] || echo "release ${found##*/}"
  done
  for found in "$1"/.incoming/*.part; do
    [ ! -f "$found" ] || stat -c 'part %s %n' -- "$found"
  done
}
exposed() {  # FOLDER...: nothing is read where somebody else could have put a link
  why=$(rooted "$@") || refuse "$(echo $why): there root works only where it alone can write; \`chown root\` or \`chmod go-w\` mends it"
}
account() {  # USER SCRIPT FOLDER...: the script is its account's, and of what that says only such lines are believed
  user=$1 script=$2
  shift 2
  if id -u -- "$user" >/dev/null 2>&1; then
    echo "account $user"
    set -- as_account "$user" "$script"
  else
    for path do
      [ ! -e "$path" ] || why=$(rooted "$path") || refuse "$(echo $why), and there is no account $user to look into it: make that account"
    done
    set -- sh -euc "$script"
  fi
  "$@" < /dev/null | {
    whole=no
    while IFS= read -r line; do
      case $line in
        "about "* | "myid "* | "meta "* | "joined "* | "quorumstate "* | "quorumvoters "* | "history "* | "snapshots "* | "transactions "* | \
          "sight "* | "real "* | "launcher "* | "strange "* | \
          "unreadable "* | "odd "*) printf '%s\n' "$line" ;;
        whole) whole=yes ;;
      esac
    done
    [ "$whole" = yes ]
  }
}
unit() {
  [ ! -L "/etc/systemd/system/multi-user.target.wants/$1" ] || echo "enabled $1"
  # A record is missing on a host that was deployed before root kept them: systemd knows its processes all the same.
  said=$(systemctl show -p MainPID -p SubState -p FragmentPath -p DropInPaths "$1" 2>&1) || [ ! -d /run/systemd/system ] || { echo "$said" >&2; exit 1; }
  for word in $said; do
    case $word in
      *=/* | /*) echo "unitfile ${word#*=}" ;;
      SubState=*) [ "$state" = alive ] || echo "unit ${word#*=}" ;;
      MainPID=*) [ "$state" = alive ] || ! main_process "${word#*=}" || told "$pid $start unknown unknown" alive ;;
    esac
  done
}
told() { read -r up _ < /proc/uptime; echo "process $1 $2 $up ${3-}"; }
node() {  # INSTANCE CURRENT RUN MANIFEST [UNIT]
  echo "node $1"
  state=none
  run=$3
  if [ -n "${5-}" ]; then
    # What is not root's own says nothing about a process.
    if rooted "$run" > /dev/null && ready "$run"; then folder "$run"; else run=; fi
  fi
  target=$(cd -P -- "$2" 2>/dev/null && pwd -P) && echo "link ${target##*/}" || :
  if [ -n "$run" ] && plain "$run/process" && [ -r "$run/process" ] &&
    { [ -z "${5-}" ] || [ -O "$run/process" ]; } && read -r pid start release digest asked < "$run/process"; then
    state=gone
    ! alive "$pid" "$start" || state=alive
    told "$pid $start $release $digest" "$state" "$asked"
  fi
  [ ! -r "$4" ] || while read -r line || [ -n "$line" ]; do echo "deployed $line"; done < "$4"
}
earlier() {  # CONFIG: what the node was started from before, by what each generation says of itself; see plans.generations
  for about in "$1"/.before/[0-9]*/.about; do
    plain "$about" || continue
    at=${about%/.about}
    ! read -r line < "$about" || printf 'earlier %s %s\n' "${at##*/}" "$line"
  done
  ! plain "$1/.before/.aim" || ! read -r line < "$1/.before/.aim" || printf 'aim %s\n' "$line"
}
held() {  # RECORD: what the directories have held, and which of them hold partitions now, by the names in them
  { plain "$1" && [ -r "$1" ]; } || return 0
  while read -r line; do
    echo "held $line"
    path=${line%% *}
    for entry in "$path"/*-[0-9]*; do
      [ ! -d "$entry" ] || { echo "filled $path"; break; }
    done
  done < "$1"
}
place() {  # FOLDER: what it lies on, and what /etc/fstab says about it
  echo "lies $1 $(lies "$1")"
  [ ! -r /etc/fstab ] || while read -r device point _; do
    case $device:$point in "#"* | *:/ | *:[!/]* | *:) continue ;; esac
    case $1/ in "${point%/}"/*) echo "fstab $1 $point" ;; esac
  done < /etc/fstab
}
upgrade() {  # RECORD: of an upgrade that is not finalized; see ops.upgrades
  ! plain "$1" || [ ! -r "$1" ] || { read -r line < "$1" && printf 'upgrade %s\n' "$line"; }
}
places_of() {  # FOLDER...: the kernel, and the inode of each folder or of the nearest one above it that is there
  [ ! -r /proc/sys/kernel/random/boot_id ] || { read -r boot < /proc/sys/kernel/random/boot_id; echo "boot $boot"; }
  theres=
  for path do
    while [ ! -e "$path" ]; do path=${path%/*} path=${path:-/}; done
    case $theres" " in *" $path "*) ;; *) theres="$theres $path" ;; esac
  done
  stat -L -c 'inode %d:%i %n' -- $theres 2>/dev/null </dev/null || :
}
folder() { [ ! -d "$1" ] || echo "folder $1"; }
files() {
  sha256sum -- "$@" 2>/dev/null </dev/null | while read -r sum path; do
    echo "sha $sum $path"
    case $wanted in
      *"$sum  $path"*) ;;
      *) case ${path##*/} in digest-key | keystore.pem | *.p12) continue ;; esac
        echo "content $path"; head -c 1048576 -- "$path" | base64; echo . ;;
    esac
  done
  stat -c 'stat %a %U:%G %n' -- "$@" 2>/dev/null </dev/null || :
}
texts() {  # CONFIG: every file of a node and of its generations, with what it holds
  wanted=
  files "$1"/* "$1"/.deployed "$1"/.before/[0-9]*/* "$1"/.before/[0-9]*/.deployed "$1"/.before/[0-9]*/unit/*
}
