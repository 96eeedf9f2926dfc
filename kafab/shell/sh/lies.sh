# Which file system a folder lies on, by the kernel's list of mounts: nothing in the folder is opened.
# Composed by observation, and a part of templates/record.j2.
# shellcheck disable=SC2086  # the words are split on purpose
# shellcheck disable=SC3013  # -ef is not POSIX's, but every sh of a Linux host has it

lies() (  # FOLDER [MOUNTINFO]: print "POINT KIND SOURCE UUID" of the file system that it lies on, or would; without a UUID a "-"
  set -f
  at=$1 best='' found=''
  until [ -d "$at" ]; do at=${at%/*} at=${at:-/}; done
  at=$(cd -P -- "$at" 2>/dev/null && pwd -P) || at=$1
  while read -r _ _ _ _ point rest; do
    case ${at%/}/ in "${point%/}"/*) ;; *) continue ;; esac
    # Of two on one mount point the later one covers the other.
    [ "${#point}" -lt "${#best}" ] || { best=$point found=${rest#* - }; }
  done < "${2:-/proc/self/mountinfo}"
  set -- $found
  set +f
  uuid=-
  for link in /dev/disk/by-uuid/*; do
    case $2 in /*) [ ! "$link" -ef "$2" ] || { uuid=${link##*/}; break; } ;; esac
  done
  echo "$best $1 $2 $uuid"
)
