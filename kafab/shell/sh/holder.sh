# Who listens on a port.
# Composed by supervisor, preflight.local and preflight.network.
# shellcheck disable=SC2012  # one ls for every descriptor: find has no way to show where they lead without a fork each

holder() {  # PORT: print who listens on it: nothing, or pid and command where this user may see them
  hex=$(printf ':%04X' "$1")
  for table in /proc/net/tcp /proc/net/tcp6; do
    [ -r "$table" ] || continue
    while read -r _ local _ state _ _ _ _ _ inode _; do
      case $local in *"$hex") ;; *) continue ;; esac
      [ "$state" = 0A ] || continue
      # one listing of every visible descriptor: a readlink each would take seconds on a busy host
      owner=$(ls -l /proc/[0-9]*/fd 2>/dev/null | while read -r line; do
        case $line in
          /proc/*:) owner=${line#/proc/}; owner=${owner%%/*} ;;
          *"socket:[$inode]") echo "$owner"; break ;;
        esac
      done)
      if [ -n "$owner" ]; then
        echo "pid $owner, $(tr '\0' ' ' < "/proc/$owner/cmdline" | cut -c 1-80)"
        return
      fi
      echo "a process of another user"
      return
    done < "$table"
  done
}
