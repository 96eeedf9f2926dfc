# Writes the record of what a node holds; needs put.
# Composed by ops.held.

keep() {  # TEXT PATH MODE SHA256 [OWNER]: a node without a configuration folder was never deployed, and gets no record
  text=$1
  shift
  [ ! -d "${1%/*}" ] || printf '%s' "$text" | put "$@"
}
