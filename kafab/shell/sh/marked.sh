# A script of its own: whether a mark of a data directory names this node.
# Composed by ops.destroy, for the service account.

# FILE ID: the mark of a data directory says that it is this node's; no link is followed, and no fifo waited for
[ -f "$1" ] && [ ! -L "$1" ] || exit 1
while read -r line || [ -n "$line" ]; do
  case ${1##*/}:$line in "myid:$2" | "meta.properties:broker.id=$2" | "meta.properties:node.id=$2") exit 0 ;; esac
done < "$1"
exit 1
