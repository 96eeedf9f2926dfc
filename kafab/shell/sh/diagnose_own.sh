# Prints what lies in folders of the nodes' account: logs, and what a data directory is; needs plain.
# Composed by diagnosis.asking, for that account.

tails() {  # LINES FILE...: the last lines of each that is there
  lines=$1
  shift
  for file do
    [ -e "$file" ] || [ -L "$file" ] || continue
    plain "$file" || { echo "not read: $file is a link or no file"; continue; }
    [ -r "$file" ] || { echo "not read: $(id -un) may not read $file"; continue; }
    [ $# -eq 1 ] || echo "== $file"
    tail -n "$lines" -- "$file" | tail -c 250000
  done
}
around() {  # FILE: what stands around its last errors
  plain "$1" && [ -r "$1" ] || return 0
  tail -c 20000000 -- "$1" | grep -a -B 30 -A 60 -E '(ERROR|FATAL) |OutOfMemoryError|Exception in thread' | tail -n 250 || :
}
crash() {  # LOGS: the head of the newest report of a JVM that crashed; below it stands its environment
  newest=
  for file in "$1"/hs_err_pid*.log; do
    ! plain "$file" || [ -n "$newest" ] && ! [ "$file" -nt "$newest" ] || newest=$file
  done
  [ -z "$newest" ] || { stat -c '%y %n' -- "$newest"; head -n 40 -- "$newest"; }
}
identity() {  # FOLDER...: whose data they hold
  for folder do
    for file in "$folder"/meta.properties "$folder"/myid; do
      ! plain "$file" || { echo "$file:"; cat -- "$file"; }
    done
  done
}
folders() {  # FOLDER...: who may do what there, and how much room it has
  for folder do
    stat -c '%A %U:%G %n' -- "$folder" 2>&1 || continue
    [ -r "$folder" ] && [ -x "$folder" ] || echo "closed: $(id -un) may not read $folder"
    [ -w "$folder" ] || echo "closed: $(id -un) may not write $folder"
  done
  # A dead NFS server makes df wait for ever.
  for folder do
    [ ! -d "$folder" ] || timeout -k 1 4 df -k --output=target,fstype,size,avail,itotal,iavail -- "$folder" | {
      read -r _
      read -r target kind total free inodes left
      echo "room $folder: $free of $total KiB free, $left of $inodes inodes free, $kind at $target"
    } || echo "not read: df did not answer for $folder"
  done
  while read -r _ mount _ options _; do
    for folder do
      case $folder/ in "${mount%/}"/*) echo "mount $mount: $options"; break ;; esac
    done
  done < /proc/self/mounts
}
