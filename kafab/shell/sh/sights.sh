# Prints what a node's process finds at the paths that it reads and writes.
# Composed by observation, for the login user and for the service account.

sight() {  # KIND PATH: a folder to write in, a file to read, a program to run; prints what is there, and where that is seen
  at=$2
  until [ -e "$at" ] || [ -L "$at" ]; do at=${at%/*} at=${at:-/}; done
  state=there
  if [ ! -e "$at" ]; then state='link'
  elif [ "$at" != "$2" ]; then
    state=gone
    [ -x "$at" ] || state=closed
    [ -d "$at" ] || state=plain
  else
    case $1 in
      folder) { [ -w "$at" ] && [ -x "$at" ] && [ -r "$at" ]; } || state=closed; [ -d "$at" ] || state=plain ;;
      file) [ -r "$at" ] || state=closed; [ ! -d "$at" ] || state=odd ;;
      program) [ -x "$at" ] || state=closed; [ ! -d "$at" ] || state=odd ;;
    esac
  fi
  printf 'sight %s %s\n' "$state" "$at"
}
launcher() {  # the Java that the launch script would take; nothing where it would find none
  java=$(command -v java || :)
  [ -n "$java" ] || for java in /usr/lib/jvm/*/bin/java; do [ ! -x "$java" ] || break; done
  [ -x "$java" ] || return 0
  printf 'launcher %s\n' "$java"
  sight program "$java"
  real "$java"
}
real() { readlink -m -- "$@" | while IFS= read -r path; do printf 'real %s\n' "$path"; done; }
strange() {  # FOLDER...: the folders in a data directory that are no partitions, and that Kafka takes for some
  for path do
    for entry in "$path"/* "$path"/.[!.]*; do
      [ -d "$entry" ] || continue
      name=${entry##*/}
      case $name in remote-log-index-cache | __cluster_metadata-0 | *-[0-9]*.*-delete | *-[0-9]*.*-future | *-[0-9]*.*-stray) continue ;; esac
      case ${name%-*}:${name##*-} in
        "$name":* | :* | *: | *:*[!0-9]*) printf 'strange %s\n' "$entry" ;;
        *) partition "$entry" || printf 'strange %s\n' "$entry" ;;
      esac
    done
  done
}
partition() {  # FOLDER: what Kafka has made it of, or nothing yet: a crash in the moment after its mkdir
  for file in "$1"/*; do
    case $file in
      "$1/*" | */leader-epoch-checkpoint | */partition.metadata | *.log) return 0 ;;
    esac
  done
  return 1
}
