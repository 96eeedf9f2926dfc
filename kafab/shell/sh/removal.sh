# Removes what kafab has placed; needs plain, alive, rooted and as_account.
# Composed by ops.deploy.compiler.
# shellcheck disable=SC2086  # the words are split on purpose
# shellcheck disable=SC2164  # numbered.sh calls all of this with `set -e`

idle() {  # NODE RUN UNIT
  if [ -n "$3" ]; then
    pid=$(systemctl show --value -p MainPID "$3") || { echo "systemd does not say whether $1 runs" >&2; exit 1; }
    [ "$pid" = 0 ] || { echo "$1 runs, pid $pid" >&2; exit 1; }
    return
  fi
  { plain "$2/process" && [ -r "$2/process" ] && read -r pid start _ < "$2/process"; } || return 0
  ! alive "$pid" "$start" || { echo "$1 runs, pid $pid" >&2; exit 1; }
}
there() { [ -e "$1" ] || [ -L "$1" ]; }
ours() {  # PATH USER: what it lies in is root's alone, so nobody puts a link there while we look; a login user's is his own
  [ -z "$2" ] || why=$(rooted "${1%/*}") || { echo "root removes $1 only from a folder of its own:" $why; return 1; }
}
enter() { [ ! -L "$1" ] || { echo "$1 is a link now"; return 1; }; cd -P -- "$1"; }
mounted() {  # whether a file system is mounted on the folder we are in
  here=$(pwd -P)
  while read -r _ _ _ _ point _; do [ "$point" != "$here" ] || return 0; done < /proc/self/mountinfo
  return 1
}
mounted_below() {
  here=$(pwd -P)
  while read -r _ _ _ _ point _; do
    case $point in "$here"/*) echo "$point is mounted"; return 0 ;; esac
  done < /proc/self/mountinfo
  return 1
}
remove_files() { enter "$1"; shift; rm -f -- "$@"; }
remove_folder() {  # PATH [NAME...]: an empty one, but for the file of a lock that nobody holds, and files of these names
  { [ ! -L "$1" ] && [ -d "$1" ]; } || return 0
  if plain "$1/lock"; then
    exec 9>> "$1/lock"
    flock -n 9 || return 0
    rm -f -- "$1/lock"
  fi
  path=$1
  shift
  for name; do rm -f -- "$path/$name"; done
  rmdir -- "$path"
}
remove_link() { [ ! -L "$1" ] || rm -f -- "$1"; }
remove_tree() {  # PATH USER: rm does not follow links
  there "$1" || return 0
  ours "$1" "$2"
  (enter "$1"; if mounted || mounted_below; then echo "a file system is mounted there"; exit 1; fi)
  rm -rf -- "$1"
}
is_marked() {  # FILE ID: the folder is the service account's, and that account reads it
  if [ -n "$user" ]; then as_account "$user" "$marked" "$1" "$2" < /dev/null; else sh -euc "$marked" sh "$1" "$2"; fi
}
remove_data() {  # PATH MARK ID USER MARKED: MARKED is the script marked.sh; the mark goes last, so that what is left of an interrupted removal still says whose it is
  path=$1 mark=$2 id=$3 user=$4 marked=$5 keep=
  there "$path" || return 0
  ours "$path" "$user"
  enter "$path"
  if mounted; then keep=lost+found; fi
  if mounted_below; then return 1; fi
  if there "./$mark"; then is_marked "$path/$mark" "$id" || { echo "its $mark does not say $id"; return 1; }; fi
  set --
  for entry in * .[!.]* ..?*; do
    there "./$entry" || continue
    case $entry in "$mark" | "$keep") continue ;; esac
    [ -e "$mark" ] || { echo "it has no $mark, and $entry in it"; return 1; }
    set -- "$@" "./$entry"
    [ $# -lt 100 ] || { rm -rf -- "$@"; set --; }
  done
  [ $# -eq 0 ] || rm -rf -- "$@"
  rm -f -- "$mark"
  cd /
  [ -n "$keep" ] || rmdir -- "$path"
}
remove_release() {  # PATH: it goes under a name that no deploy takes for a release, whenever this is interrupted
  root=${1%/*} name=${1##*/}
  [ -d "$1" ] || return 0
  enter "$root"
  here=$(pwd -P)
  for entry in * .[!.]*; do
    [ -L "$entry" ] || continue
    case $(readlink -f -- "$entry")/ in "$here/$name"/*) echo "$entry leads to it now"; return 1 ;; esac
  done
  [ ! -L .incoming ] || { echo ".incoming is a link"; return 1; }
  mkdir -p -- .incoming
  rm -rf -- ".incoming/$name.gone"
  mv -T -- "$name" ".incoming/$name.gone"
  rm -rf -- ".incoming/$name.gone"
  rmdir -- .incoming 2>/dev/null || :
}
remove_uploads() { [ -L "$1" ] || rm -rf -- "$1"; }
remove_instance() {  # DROP-IN UNIT: not at boot any more
  for link in /etc/systemd/system/*.wants/"$2" /etc/systemd/system/*.requires/"$2"; do
    [ ! -L "$link" ] || rm -f -- "$link"
  done
  [ -L "${1%/*}" ] || { rm -f -- "$1" "$1.kafab-new"; rmdir -- "${1%/*}" 2>/dev/null || :; }
  systemctl daemon-reload
  systemctl reset-failed "$2" 2>/dev/null || :
}
remove_unit() { rm -f -- "$1" "$1.kafab-new"; systemctl daemon-reload; }
