# Prints what is left of nodes on a host, and what else is in the folders of theirs.
# Composed by remains; a line is whole, and a path or name is always its last word.
# shellcheck disable=SC2094  # the loop only reads the file

new_line='
'
told() {  # WORD NAME: a name with a line break in it is cut short, it must not look like another line
  case $2 in *"$new_line"*) printf '%s %s?\n' "$1" "${2%%"$new_line"*}" ;; *) printf '%s %s\n' "$1" "$2" ;; esac
}
there() { [ -e "$1" ] || [ -L "$1" ]; }
reachable() {  # PATH: whether something stands there can be told
  up=${1%/*}
  until [ -e "${up:-/}" ]; do up=${up%/*}; done
  [ -x "${up:-/}" ]
}
place() {
  if [ -L "$1" ]; then told link "$1"
  elif [ -d "$1" ]; then
    { [ -r "$1" ] && [ -x "$1" ]; } || { told closed "$1"; return 0; }
    told folder "$1"
    told real "$(cd -P -- "$1" && pwd -P)"
    for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
      ! there "$entry" || told name "${entry##*/}"
    done
  elif [ -e "$1" ]; then told other "$1"
  elif ! reachable "$1"; then told closed "$1"
  fi
}
releases() {  # ROOT: its links, and the releases that processes were started from
  [ -d "$1" ] || return 0
  root=$(cd -P -- "$1" && pwd -P)
  for entry in "$root"/* "$root"/.[!.]*; do
    [ -L "$entry" ] || continue
    target=$(readlink -f -- "$entry") || target=
    case $target in
      "$root"/*) target=${target#"$root"/} target=${target%%/*} ;;
      *) target=- ;;
    esac
    told "leads $target" "${entry##*/}"
  done
  # grep first: a shell reads a pipe byte by byte, and the class path of one JVM has thousands
  cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' | grep -F -e "$root/kafka_" -e "$root/jmx_prometheus_javaagent-" | while IFS= read -r word; do
    word=${word#*"$root"/}
    told used "${word%%/*}"
  done
}
made() {  # UNIT-FILE
  { [ -f "$1" ] && [ ! -L "$1" ]; } || return 0
  while read -r line; do
    case $line in *[Mm]"ade by kafab"*) told made "$1"; return 0 ;; esac
  done < "$1"
}
instances() {  # UNITS
  for entry in "$1"/*.wants/kafka-*@?*.service "$1"/*.requires/kafka-*@?*.service; do
    ! there "$entry" || told instance "${entry##*/}"
  done
  for entry in "$1"/kafka-*@?*.service.d/kafab.conf; do
    ! there "$entry" || { entry=${entry%.d/*}; told instance "${entry##*/}"; }
  done
  command -v systemctl >/dev/null || return 0
  systemctl list-units --all --full --plain --no-legend 'kafka-zookeeper@*' 'kafka-controller@*' 'kafka-broker@*' |
    while read -r unit _ state _; do told "unit $state" "$unit"; done
}
mounts() {  # mountinfo writes a blank as \040; the names that an inventory may hold have none
  while read -r _ _ _ _ point _; do told mount "$point"; done < /proc/self/mountinfo
}
