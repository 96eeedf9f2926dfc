# Exchanges the files that Prometheus reads, and puts the old ones back where it refuses the new; needs put, alive and prometheus_look.
# Composed by ops.hosts.prometheus.
# shellcheck disable=SC2016  # the text is for awk, which expands it
# shellcheck disable=SC2086  # the words are split on purpose

# It goes to its end when nobody hears of that any more.
trap '' HUP PIPE
over() {  # WORD [TEXT]: this is the answer, and nothing more is done
  printf '%s\n' "$@" end
  exit 0
}
tried() {  # FUNCTION WORD...: what it printed is in told, how it ended in code; `set -e` is at work inside
  set +e
  told=$(set -e; "$@" 2>&1)
  code=$?
  set -e
}
begin() {  # FOLDER CONFIG OWNER: nobody else is at it
  folder=$1 config=$2
  tried mkdir_open "$1"
  [ "$code" -eq 0 ] || over unstaged "$told"
  exec 9>> "$1/lock"
  flock -n 9 || over held "$(cat -- "$1/lock")"
  printf '%s\n' "$3" > "$1/lock"
  trap tidy EXIT
  tidy
}
mkdir_open() {  # FOLDER of kafab's own: Prometheus' account comes into it
  umask 022
  mkdir -p -- "$1"
  chmod 755 -- "$1"
}
tidy() { rm -rf -- "$folder/.incoming" "$folder/.before" "$config.kafab-new"; }
same() {  # PATH SHA256|-: it is as it was looked at; - where there was none
  sum=-
  [ ! -f "$1" ] || sum=$(sha256sum < "$1")
  [ "${sum%% *}" = "$2" ] || over moved "$1"
}
stage() {  # PATH MODE SHA256 OWNER, the content on stdin
  tried put "$@"
  [ "$code" -eq 0 ] || over unstaged "$told"
}
keep() {  # PATH COPY: for the way back
  tried keep_copy "$@"
  [ "$code" -eq 0 ] || over unstaged "$told"
}
keep_copy() { umask 077; mkdir -p -- "${2%/*}"; cp -p -- "$1" "$2"; }
checked() {  # promtool takes what is staged
  tried promtool_takes
  [ "$code" -eq 0 ] || over rejected "$told"
}
promtool_takes() {
  [ ! -d "$folder/.incoming" ] || timeout 60 promtool check config "$folder/.incoming/prometheus.yml"
  [ ! -d "$folder/.incoming/tests" ] || timeout 60 promtool test rules "$folder"/.incoming/tests/*.yml
  [ ! -f "$config.kafab-new" ] || timeout 60 promtool check config "$config.kafab-new"
}
exchange() {  # FORTH BACK [PID START ADDRESS PORT PREFIX]: pairs of a file and the place where it is to be, - for none there; with a process it is to read them
  forth=$1 back=$2
  shift 2
  tried places $forth
  [ "$code" -ne 0 ] || [ "$#" -eq 0 ] || tried loads "$@"
  [ "$code" -ne 0 ] || over "done"
  why=$told
  tried places $back
  [ "$code" -ne 0 ] || [ "$#" -eq 0 ] || tried loads "$@"
  [ "$code" -eq 0 ] || over lost "$why" "$told"
  over restored "$why"
}
places() {  # [FILE PLACE]...
  while [ "$#" -gt 0 ]; do
    case $1 in
      -) rm -f -- "$2" ;;
      *) [ "$2" = "$config" ] || mkdir_open "${2%/*}"; mv -f -T -- "$1" "$2" ;;
    esac
    shift 2
  done
}
loads() {  # PID START ADDRESS PORT PREFIX: that Prometheus reads its files anew; else 1, and why
  alive "$1" "$2" || { echo "Prometheus has ended"; return 1; }
  first=$(reloads "$3" "$4" "$5")
  main=$(systemctl show -p MainPID --value prometheus.service 2> /dev/null) || main=
  if [ "$main" = "$1" ]; then systemctl reload prometheus.service; else kill -s HUP "$1"; fi
  deadline=$(($(date +%s) + 60))
  while [ "$(date +%s)" -lt "$deadline" ]; do
    now=$(reloads "$3" "$4" "$5")
    case $now in
      "$first" | "") ;;
      "1 "*) return 0 ;;
      "0 "*) break ;;
    esac
    alive "$1" "$2" || { echo "Prometheus has ended"; return 1; }
    sleep 0.1
  done
  if [ -n "$now" ]; then echo "Prometheus did not take its files"; else echo "Prometheus gives no answer"; fi
  [ "$main" != "$1" ] || journalctl -u prometheus.service -n 5 -o cat --no-pager || :
  return 1
}
reloads() {  # ADDRESS PORT PREFIX: whether the last reload was a good one, and when the last good one was; nothing where it does not answer
  said "$@" | awk '$1 ~ /_successful$/ { good = $2 } $1 ~ /_seconds$/ { at = $2 } END { if (at != "") print good, at }'
}
