# What a host has of Prometheus, and what a Prometheus that runs says of itself; needs rooted.
# Composed by ops.hosts.prometheus.
# shellcheck disable=SC2016  # the text is for bash, which expands it
# shellcheck disable=SC2086  # the words are split on purpose

watcher() {  # CONFIG FOLDER RULES: the programs, the files, and the processes
  for program in bash promtool prometheus prometheus-alertmanager alertmanager; do
    ! command -v "$program" > /dev/null || echo "program $program"
  done
  ! timeout 2 bash -c 'exec 3<>/dev/tcp/localhost/9093' 2> /dev/null || echo alertmanager
  [ ! -L "$1" ] || echo "link $(readlink -m -- "$1")"
  if [ -d "${1%/*}" ]; then why=$(rooted "${1%/*}") || echo "unfit" $why; fi
  for file in "$1" "$2"/targets/*.json "$3"; do
    [ -f "$file" ] || continue
    # The first MiB: whoever reads it here refuses more.
    echo "file $(stat -c '%a %U:%G %.3Z' -- "$file") $(head -c 1048576 -- "$file" | base64 | tr -d '\n') $file"
  done
  for at in /proc/[0-9]*; do
    { read -r name < "$at/comm"; } 2> /dev/null || continue
    [ "$name" != prometheus ] || started "$1" "$at"
  done
}
started() {  # CONFIG PROC: what a process was started with; "process" where it reads that very file, "other" where not
  words=$(tr '\0' '\n' < "$2/cmdline") && { read -r stat < "$2/stat"; } 2> /dev/null || return 0
  # Debian's own default.
  reads=/etc/prometheus/prometheus.yml before=
  while IFS= read -r word; do
    case $word in --config.file=*) reads=${word#*=} ;; esac
    [ "$before" != --config.file ] || reads=$word
    before=$word
  done << END
$words
END
  case $reads in /*) ;; *) reads=$(readlink -- "$2/cwd")/$reads ;; esac
  # The one of a container may have the same path, and another file.
  if [ "$2/root$reads" -ef "$1" ]; then
    stat=${stat##*) }
    echo "process ${2#/proc/} $(echo $stat | cut -d ' ' -f 20)"
    printf '%s\n' "$words" | sed 's/^/word /'
  else
    echo "other ${2#/proc/} $reads"
  fi
}
said() {  # ADDRESS PORT PREFIX: what a Prometheus tells of its configuration, as its metrics
  timeout 10 bash -c 'exec 3<>"/dev/tcp/$0/$1"; printf "GET %s/metrics HTTP/1.0\r\nHost: localhost\r\n\r\n" "$2" >&3; cat <&3' "$@" 2>&1 |
    grep -a -e '^HTTP/' -e '^prometheus_config_last_reload_success' -e '^prometheus_rule_group_rules{' \
      -e '^prometheus_target_scrape_pool_targets{' -e '/dev/tcp' || :
}
