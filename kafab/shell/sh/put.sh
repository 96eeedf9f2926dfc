# Writes a file whole under its name, or not at all.
# Composed by compiler, for root and for the service account.

put() {  # PATH MODE SHA256 [OWNER [base64]], the content on stdin, encoded or not: whole under its name, or not at all
  new=$1.kafab-new
  [ ! -d "$1" ] || { echo "$1 is a directory"; return 1; }
  [ -d "${1%/*}" ] || (umask 022; mkdir -p -- "${1%/*}")
  # A file of our own: not through a link that lies there.
  rm -f -- "$new"
  # Nobody else may read it before it has its mode.
  (umask 077; set -C; if [ -n "${5-}" ]; then base64 -d; else cat; fi > "$new") || { rm -f -- "$new"; return 1; }
  sum=$(sha256sum < "$new")
  [ "${sum%% *}" = "$3" ] || { rm -f -- "$new"; echo "$1 did not arrive as it was sent"; return 1; }
  [ -z "${4-}" ] || chown "$4" "$new"
  chmod "$2" "$new"
  mv -f -T -- "$new" "$1"
}
