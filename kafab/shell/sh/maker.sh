# Ends whoever makes an archive of a node's classes; needs plain and alive.
# Composed by supervisor.

maker() {  # CLASSES: end who makes an archive there; he writes his record and then looks whether the node was asked to stop
  plain "$1/making" && { read -r maker start < "$1/making"; } 2>/dev/null && alive "$maker" "$start" || return 0
  kill "$maker" || :  # it may have ended by itself in this very moment
}
