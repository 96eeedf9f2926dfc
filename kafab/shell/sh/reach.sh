# Tries connections from one host.
# Composed by preflight.network.
# shellcheck disable=SC2016  # the text is for bash, which expands it

tool() {  # choose what connections are tried with
  tool=none
  ! command -v ssh >/dev/null || tool=ssh
  ! command -v bash >/dev/null || tool=bash
  [ "$tool" != none ] || { echo "notool neither bash nor ssh is there"; exit 0; }
}
reach() {  # SECONDS HOST PORT
  case $tool in
    bash) said=$(timeout "$1" bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$2" "$3" 2>&1) && code=0 || code=$? ;;
    ssh) said=$(ssh -v -F none -o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile=/dev/null \
      -o ConnectTimeout="$1" -p "$3" -- "$2" true 2>&1 | grep -v '^debug1: Connecting') || :
      code=1
      case $said in *'Connection established'*) code=0 ;; esac ;;
  esac
  echo "tcp $2 $3 $code $(echo "$said" | tail -n 3 | tr '\r\n' '  ')"
}
