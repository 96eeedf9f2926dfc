# Prints what a machine is and has; needs plain, alive, main_process and holder.
# Composed by preflight.local; a line is whole, and a word that was asked for comes back in its line.
# shellcheck disable=SC2086  # the words are split on purpose

value() {  # WORD FILE: `read` takes single bytes, and files of /proc/sys give the first one only
  [ ! -r "$2" ] || echo "$1 $(cat -- "$2")"
}
machine() {
  echo "uid $(id -u)"
  echo "uname $(uname -sm)"
  [ ! -d /run/systemd/system ] || echo systemd
  [ ! -r /etc/os-release ] || while IFS='=' read -r key text || [ -n "$key" ]; do
    case $key in ID | VERSION_ID | PRETTY_NAME) echo "os $key $text" ;; esac
  done < /etc/os-release
}
memory() {
  while read -r key kib _; do
    case $key in MemTotal: | MemAvailable: | SwapTotal:) echo "memory ${key%:} $kib" ;; esac
  done < /proc/meminfo
  value cgroup /sys/fs/cgroup/memory.max
  value cgroup /sys/fs/cgroup/memory/memory.limit_in_bytes
}
settings() {
  value 'setting swappiness' /proc/sys/vm/swappiness
  value 'setting max_map_count' /proc/sys/vm/max_map_count
  value 'setting transparent_hugepage' /sys/kernel/mm/transparent_hugepage/enabled
}
places() {  # PATH...: where each lies, or would lie
  theres=
  for path do
    there=$path
    while [ ! -e "$there" ]; do there=${there%/*}; [ -n "$there" ] || there=/; done
    there=$(cd -P -- "$there" 2>/dev/null && pwd -P) || there=/
    writable=no
    [ ! -w "$there" ] || writable=yes
    echo "place $path $there $writable"
    theres="$theres $there"
  done
  while read -r _ mount _ options _; do
    for there in $theres; do
      case $there/ in "${mount%/}"/*) echo "mount $mount $options"; break ;; esac
    done
  done < /proc/self/mounts
  [ ! -r /etc/fstab ] || while read -r device mount _ options _ || [ -n "$device" ]; do
    case $device in '' | '#'*) continue ;; esac
    for path do
      case $path/ in "${mount%/}"/?*) echo "fstab $mount $options"; break ;; esac
    done
  done < /etc/fstab
  # a dead NFS server makes df wait for ever
  timeout 10 df -k --output=size,avail,itotal,iavail,fstype,target -- $theres 2>/dev/null </dev/null |
    while read -r line; do echo "df $line"; done
}
held() {  # PORT...
  for port do
    owner=$(holder "$port")
    [ -z "$owner" ] || echo "held $port $owner"
  done
}
nofile() {  # INSTANCE SOURCE PID: the hard limit, which a JVM makes its own (-XX:+MaxFDLimit)
  [ -r "/proc/$3/limits" ] || return 0
  while read -r a b c _ hard _; do
    [ "$a $b $c" != 'Max open files' ] || echo "nofile $1 $2 $hard"
  done < "/proc/$3/limits"
}
open_files() {  # INSTANCE RUN UNIT
  if [ "$3" != - ]; then
    main_process "$(systemctl show --value -p MainPID "$3" 2>/dev/null)" || pid=
  else
    { plain "$2/process" && [ -r "$2/process" ] && read -r pid start _ < "$2/process" && alive "$pid" "$start"; } || pid=
  fi
  if [ -n "$pid" ]; then
    nofile "$1" process "$pid"
    return
  fi
  if [ "$3" = - ]; then
    nofile "$1" login $$
    return
  fi
  nofile "$1" system 1
  systemctl show -p LoadState -p LimitNOFILE "$3" 2>/dev/null | {
    loaded=no limit=
    while IFS='=' read -r key text; do
      case $key=$text in LoadState=loaded) loaded=yes ;; LimitNOFILE=*) limit=$text ;; esac
    done
    [ "$loaded" = no ] || echo "nofile $1 unit $limit"
  }
}
addresses() {
  command -v ip >/dev/null || { echo 'noaddress ip (of iproute2) is not there'; return; }
  ip -o addr show | while read -r _ _ _ address _; do echo "address ${address%/*}"; done
}
names() {  # NAME...: all side by side, for a dead name service takes seconds each
  command -v getent >/dev/null || { echo 'noname getent is not there'; return; }
  for name do
    (
      found=$(timeout 5 getent ahosts "$name" </dev/null | while read -r address kind _; do
        [ "$kind" != STREAM ] || printf ' %s' "$address"
      done)
      echo "name $name$found"
    ) &
  done
  wait
}
