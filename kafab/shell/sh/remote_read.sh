# Reads a file for the operator, as long as it is at the start: a log grows on. Files of /proc say 0 and have more.
# Composed by ops.remote.

read_file() {  # PATH
  [ -e "$1" ] || { echo "there is no $1, or not for $(id -un)" >&2; exit 1; }
  [ -f "$1" ] || { echo "$1 is not a file" >&2; exit 1; }
  size=$(wc -c < "$1")
  if [ "$size" -gt 0 ]; then head -c "$size" -- "$1"; else cat -- "$1"; fi
}
