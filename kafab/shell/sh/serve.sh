# Lends an archive to the neighbours; needs incoming, alive and let_go.
# Composed by distribution.
# shellcheck disable=SC2154  # what is read here is set by the functions composed with it

serve() {  # ROOT PUBLICKEY SECONDS
  key=$2 seconds=$3
  incoming_of "$1"
  shelf=$incoming/shelf.$id
  node=$(uname -n)
  login
  keys=$(readlink -f -- "$home/.ssh/authorized_keys") || keys=
  [ -f "$keys" ] || { echo "refused $user logs in without $home/.ssh/authorized_keys"; exit 0; }
  trap over EXIT
  trap 'exit 0' HUP INT TERM PIPE
  mkdir -- "$shelf"
  until=$(date -d "@$(($(date +%s) + seconds))" +%Y%m%d%H%M)
  edit "restrict,expiry-time=\"$until\",command=\"exec cat $shelf/archive\" $key kafab-transfer.$node.$id" ||
    { echo "refused $keys could not be changed"; exit 0; }
  echo "serving $user $shelf"
  let_go
}
login() {  # whose key logs in here: where sudo made us root, that of the sshd above us tells
  user=$(id -un) home=$HOME at=$$
  [ "$(id -u)" -eq 0 ] || return 0
  while [ "$at" -gt 1 ]; do
    while read -r word value _; do
      case $word in Name:) name=$value ;; PPid:) parent=$value ;; Uid:) uid=$value; break ;; esac
    done < "/proc/$at/status"
    case $name in sshd*) break ;; esac
    at=$parent
  done
  if [ "$at" -le 1 ] || [ "$uid" -eq 0 ]; then return 0; fi
  entry=$(getent passwd "$uid")
  user=${entry%%:*}
  entry=${entry%:*}
  home=${entry##*:}
}
over() {
  rm -rf -- "$shelf"
  case $(cat -- "$keys") in *"kafab-transfer.$node.$id"*) over=yes; edit '' || : ;; esac
}
edit() {  # LINE: without the lines of transfers that are over, and with this one: whole, or left as it was
  for left in "$keys".kafab-transfer.*; do
    of=${left#"$keys.kafab-transfer."}
    [ ! -f "$left" ] || alive "${of%.*}" "${of#*.}" || rm -f -- "$left"
  done
  new=$keys.kafab-transfer.$id
  # A copy first, for owner, mode, label: sshd refuses a file that another could have written.
  if cp -a -- "$keys" "$new" && kept "$1" > "$new" && mv -f -- "$new" "$keys"; then return 0; fi
  rm -f -- "$new"
  return 1
}
kept() {  # LINE
  while IFS= read -r line || [ -n "$line" ]; do
    if is_over "$line"; then continue; fi
    printf '%s\n' "$line" || return 1
  done < "$keys"
  [ -z "$1" ] || printf '%s\n' "$1"
}
is_over() {  # LINE: one of this host (a home may be shared by many) whose process has ended, or is about to
  case $1 in *" kafab-transfer.$node."*) ;; *) return 1 ;; esac
  of=${1##*" kafab-transfer.$node."}
  if [ "$of" = "$id" ]; then [ "${over-}" = yes ]; else ! alive "${of%.*}" "${of#*.}"; fi
}
