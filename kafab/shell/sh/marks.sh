# Prints whose data the data directories hold; needs plain and settled.
# Composed by observation, for whoever may read the data; a line is whole.

there() {  # FILE: it can be read; what is no file must not look absent
  if [ -L "$1" ] || { [ -e "$1" ] && [ ! -f "$1" ]; }; then echo "odd $1"; return 1; fi
  [ -r "$1" ]
}
myid() {  # with or without a newline at its end; a file without a number is somebody's all the same
  there "$1/myid" || return 0
  id=
  read -r id < "$1/myid" || :
  echo "myid $1 $id"
}
history() {  # FOLDER...: in which of them a ZooKeeper server has written anything, snapshots, its log of transactions
  for path do
    for file in "$path"/snapshot.*; do [ ! -f "$file" ] || { echo "snapshots $path"; break; }; done
    for file in "$path"/log.*; do [ ! -f "$file" ] || { echo "transactions $path"; break; }; done
    for file in "$path"/currentEpoch "$path"/snapshot.* "$path"/log.*; do
      [ ! -f "$file" ] || { echo "history $path"; break; }
    done
  done
}
quorum() {  # FOLDER: how the quorum that a KRaft node follows was formed: its state, and the last set of voters it has heard of
  [ -d "$1" ] || return 0
  ! plain "$1/quorum-state" || echo "quorumstate $(head -c 4096 -- "$1/quorum-state" | tr -d '\n')"
  before='' log='' snapshot=''
  for file in "$1"/*.log; do ! plain "$file" || { before=$log; log=$file; }; done
  for file in "$1"/*.checkpoint; do ! plain "$file" || snapshot=$file; done
  # A snapshot is due after 20 MB of log, and begins with the voters: what is older than that, it has.
  voters ends "$before" "$log" || voters head -c 65536 -- "${snapshot:-/dev/null}" || :
}
ends() { for file do [ -z "$file" ] || tail -c 33554432 -- "$file"; done; }
voters() {  # COMMAND...: print the last record of voters in its output, from the record's key on; 1 where there is none
  # The key is 8 0 0 0 6; then come the value's length, version 0, the count of voters and the first one's id.
  found=$("$@" | tr '\000\006\010\012' 'ZVKN' | grep -abo 'KZZZV[^Z]\{1,2\}ZZ[^Z]ZZ') && code=0 || code=$?
  case $code in
    0) ;;
    1) return 1 ;;
    *) echo "quorumvoters ?"; return 0 ;;
  esac
  at=${found##*
}
  echo "quorumvoters $("$@" | tail -c "+$((${at%%:*} + 1))" | head -c 4096 | base64 | tr -d '\n')"
}
meta() {
  [ -e "$1/meta.properties" ] || [ ! -d "$1" ] || { settled "$1" -s 20; exec 8<&-; }
  there "$1/meta.properties" || return 0
  while IFS= read -r line || [ -n "$line" ]; do echo "meta $1 $line"; done < "$1/meta.properties"
  for log in "$1"/__cluster_metadata-0/*.log; do
    ! plain "$log" || [ ! -s "$log" ] || { echo "joined $1"; break; }
  done
}
