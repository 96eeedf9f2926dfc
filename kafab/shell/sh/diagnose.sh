# Prints what an expert would ask a host for: parts, each bounded, its lines behind a bar, with the time that it took.
# Composed by diagnosis.asking; needs plain, alive, node, holder, and node_process, or rooted, main_process and node_systemd.
# shellcheck disable=SC1007  # the value is empty, as the blank says
# shellcheck disable=SC2012  # ls -l counts what a process has open; find would need a fork more
# shellcheck disable=SC2154  # lives sets pid, start and stat; asking sets user and functions

part() {  # NODE NAME FUNCTION WORD...: what it prints; whatever goes wrong with it, the next part follows
  read -r began _ < /proc/uptime
  printf 'part %s %s\n' "$1" "$2"
  shift 2
  { "$@" 2>&1 < /dev/null || echo "not read: it ended with $?"; } | head -c 300000 | cut -b 1-4000 | sed 's/^/| /' || :
  read -r ended _ < /proc/uptime
  printf '\ntook %s %s\n' "$began" "$ended"
}
ending() { tail -c 250000; }  # of a log its end is what is looked for: less than a part may have
theirs() {  # FUNCTION WORD...: of diagnose_own, with the rights of the nodes' account where they have one
  if [ -n "$user" ]; then set -- runuser -u "$user" -- sh -euc "$functions" sh "$@"
  else set -- sh -euc "$functions" sh "$@"
  fi
  timeout -k 2 12 "$@"
}
shows() {  # FILE...: each that can be read, below its name
  for file do
    [ ! -r "$file" ] || { echo "$file:"; cat -- "$file"; }
  done
}
machine() {
  date -u '+%Y-%m-%d %H:%M:%S UTC'
  uname -a
  shows /proc/uptime /proc/loadavg /etc/os-release
  echo "processors: $(nproc 2>/dev/null)"
}
memory() { shows /proc/meminfo /proc/pressure/memory /proc/pressure/io /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory.events; }
kernel() {  # what the kernel has said of memory and disks
  # Another sh may be here in a container, whose kernel log is not its own.
  said=$(timeout 5 dmesg -T 2>/dev/null) || said=$(timeout 5 journalctl -q -k -n 2000 -o short-iso 2>/dev/null) || said=
  if [ -z "$said" ]; then
    echo "not read: the kernel's log is closed to $(id -un)"
    return
  fi
  printf '%s\n' "$said" | grep -a -i -E 'out of memory|oom[-_]|killed process|i/o error|remount|read-only|ext4-fs error|xfs.*(error|corrupt|shut)|nfs: server|blocked for more than' |
    tail -n 80 || :
}
ports() {  # PORT...
  for port do
    owner=$(holder "$port")
    echo "port $port: ${owner:-nobody listens}"
  done
}
unit() {  # UNIT
  for name in LoadState ActiveState SubState Result ExecMainCode ExecMainStatus ExecMainPID MainPID NRestarts \
    ActiveEnterTimestamp ExecMainStartTimestamp ExecMainExitTimestamp UnitFileState NeedDaemonReload FragmentPath DropInPaths \
    MemoryCurrent MemoryMax TasksCurrent TasksMax LimitNOFILE LimitNPROC OOMPolicy User Restart StartLimitBurst; do
    set -- "$@" -p "$name"
  done
  systemctl show "$@"
  echo
  systemctl cat "$1"
}
journal() {  # UNIT: its last run, then what systemd and earlier runs have said
  synced
  wrote 600 "$1" | ending
}
earlier_runs() { timeout 5 journalctl -q -n 600 -o short-iso -u "$1" | ending; }
of_systemd() { timeout 5 journalctl -q -n 80 -o short-iso _PID=1 "UNIT=$1"; }  # what systemd itself has said of the unit
process() {  # RUN UNIT
  if closed "$1"; then echo "not read: $1/process is closed to $(id -un)"; return; fi
  if ! lives "$1" "$2"; then
    if recorded "$1"; then echo "gone: pid $pid${asked:+, which was asked to stop}"; else echo "none is recorded"; fi
    return
  fi
  echo "pid $pid"
  echo "open files: $(ls /proc/"$pid"/fd 2>/dev/null | wc -l)"
  echo "command line, a line a word:"
  tr '\0' '\n' < "/proc/$pid/cmdline"
  for file in limits status io cgroup oom_score oom_score_adj; do
    [ ! -r "/proc/$pid/$file" ] || { echo "$file:"; cat "/proc/$pid/$file"; } 2>/dev/null || :
  done
}
contents() { cat -- "$1"; }
listing() {  # FOLDER: what lies in it; no file is opened
  [ -r "$1" ] || { echo "not read: $1 is not there, or closed to $(id -un)"; return; }
  stat -c '%A %U:%G %s %y %n' -- "$1" "$1"/* "$1"/.[!.]* 2>/dev/null || :
}
settings() {  # NODE CONFIG: files that are text by their names, each a part; key stores and keys are never opened
  if [ -n "$user" ] && ! why=$(rooted "$2"); then
    part "$1" config/none echo "not read: root reads only where it alone can write: $why"
    return
  fi
  for file in "$2"/*.properties "$2"/*.cfg "$2"/*.yaml "$2"/*.yml "$2"/*.conf "$2"/launch "$2"/record "$2"/held "$2"/.deployed; do
    ! plain "$file" || part "$1" "config/${file##*/}" contents "$file"
  done
}
own_log() { lately "$@" | tail -n 600 | ending; }  # LOGS UNIT RUN: of this process, and of none before it
