# Writes a file of the operator's. An upload that is cut off ends like one that is done: the digest tells them apart.
# Composed by ops.remote.

write() {  # PATH MODE SHA256, the content on stdin
  new=$1.kafab-new.$$
  trap 'rm -f -- "$new"' EXIT
  trap 'exit 1' HUP INT TERM PIPE
  # A file of our own: not through a link that lies there.
  (umask 077; set -C; cat > "$new")
  sum=$(sha256sum < "$new")
  [ "${sum%% *}" = "$3" ] || { echo "it arrived with sha256 ${sum%% *}, not $3; nothing was replaced" >&2; exit 1; }
  if [ -e "$1" ] && [ "$(id -u)" -eq 0 ]; then chown "$(stat -c %u:%g -- "$1")" "$new"; fi
  chmod "$2" "$new"
  mv -f -T -- "$new" "$1"
}
