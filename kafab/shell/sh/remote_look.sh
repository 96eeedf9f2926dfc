# Looks where a file is to go.
# Composed by ops.remote.

give_up() { echo "$1" >&2; exit 1; }
look() {  # PATH NAME: the file's real path, then its digest and mode if it is there
  path=$1
  if [ -d "$path" ]; then path=${path%/}/$2; else case $path in */) give_up "there is no folder $path" ;; esac; fi
  [ ! -d "$path" ] || give_up "$path is a folder"
  path=$(readlink -f -- "$path") && [ -d "${path%/*}/" ] || give_up "there is no folder ${1%/*}"
  [ -w "${path%/*}/" ] || give_up "${path%/*} cannot be written by $(id -un)"
  printf '%s\n' "$path"
  [ ! -e "$path" ] || { sum=$(sha256sum < "$path"); echo "${sum%% *} $(stat -c %a -- "$path")"; }
}
