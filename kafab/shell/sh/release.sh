# Brings a release to a host and puts it in place; needs incoming.
# Composed by distribution.
# shellcheck disable=SC2154  # what is read here is set by the functions composed with it

about() {  # ROOT FOLDER TOP SHA256 SIZE TARFLAGS
  root=$1 folder=$2 top=$3 sha=$4 size=$5 flags=$6
  incoming_of "$root"
  part=$incoming/$sha.part work=$incoming/unpack.$id
}
newline='
'
give_up() { rm -rf -- "$part" "$work"; echo "$1" >&2; exit 1; }  # removed first: nobody may be there to hear it
unpack() {  # ARCHIVE, which is checked: its release in place, in one rename
  # Closed to all others until the modes are ours: root's tar would keep the archive's, a file for all to write, too.
  (umask 077; mkdir -p -- "$work/new")
  # A full disk is a line for each file that is left, and each says the same: the first is enough.
  if [ "$flags" = jar ]; then said=$(mkdir -- "$work/new/$top" && cat -- "$1" 2>&1 > "$work/new/$top/$top.jar"); else
    said=$(tar "$flags" "$1" -o -C "$work/new" 2>&1 < /dev/null)
  fi || give_up "${said:+${said%%"$newline"*}$newline}could not unpack it"
  chmod -R u=rwX,go=rX,ug-s,-t -- "$work/new" || give_up "could not set its modes"
  [ "$flags" = jar ] || [ -d "$work/new/$top/libs" ] || give_up "it has no $top/libs"
  [ -d "$root/$folder" ] || mv -T -- "$work/new/$top" "$root/$folder" || [ -d "$root/$folder" ] ||
    give_up "could not put it in place"
  rm -rf -- "$work" "$part"
}
receive() {  # OFFSET, the artifact's bytes from there on stdin: the part, whole and checked
  if [ "$1" -eq 0 ]; then : > "$part"; fi
  have=$(wc -c < "$part") || have=0
  [ "$have" -eq "$1" ] || { rm -f -- "$part"; echo "$have bytes were there, not $1" >&2; exit 75; }
  cat >> "$part" || give_up "could not write $part"
  have=$(wc -c < "$part")
  # A lost connection ends here: the part stays, and the next upload goes on behind it.
  [ "$have" -eq "$size" ] || { echo "the upload ended after $have of $size bytes" >&2; exit 1; }
  sum=$(sha256sum < "$part")
  [ "${sum%% *}" = "$sha" ] || give_up "sha256 is ${sum%% *}, not $sha"
}
install() {  # OFFSET
  receive "$1"
  unpack "$part"
}
stock() {  # OFFSET SHELF: the archive on the shelf; where that is gone nobody waits for it, and it is used at once
  receive "$1"
  mv -T -- "$part" "$2/archive" 2>/dev/null || unpack "$part"
}
own() {  # SHELF
  [ -d "$root/$folder" ] || unpack "$1/archive"
}
not_pulled() { echo "$1" >&2; exit 76; }
pull() {  # ADDRESS PORT USER HOSTKEY SECONDS PRIVATEKEY
  box=$incoming/pull.$id
  trap 'rm -rf -- "$box"' EXIT
  trap 'exit 1' HUP INT TERM PIPE
  command -v ssh > /dev/null || not_pulled "there is no ssh client"
  (umask 077; mkdir -- "$box"; printf '%s\n' "$6" > "$box/key"; printf 'seed %s\n' "$4" > "$box/known")
  # -F: what this host's ssh is told to do otherwise is of no matter. The alias spares the spelling of names and ports.
  timeout "$5" ssh -F /dev/null -n -T -x -a -i "$box/key" -p "$2" -l "$3" -o HostKeyAlias=seed \
    -o UserKnownHostsFile="$box/known" -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes -o CheckHostIP=no \
    -o IdentitiesOnly=yes -o IdentityAgent=none -o PreferredAuthentications=publickey -o BatchMode=yes \
    -o ConnectTimeout=10 -o ServerAliveInterval=5 -o ServerAliveCountMax=3 -o LogLevel=ERROR \
    -- "$1" archive > "$box/archive" 2> "$box/said" || not_pulled "$(said "$?")"
  have=$(wc -c < "$box/archive")
  [ "$have" -eq "$size" ] || not_pulled "only $have of $size bytes came"
  sum=$(sha256sum < "$box/archive")
  [ "${sum%% *}" = "$sha" ] || not_pulled "sha256 is ${sum%% *}, not $sha"
  unpack "$box/archive"
}
said() {  # EXITCODE: ssh's last words
  words=$(tail -n 1 -- "$box/said" | tr -d '\r')
  [ "$1" -ne 124 ] || words="no end after $5 s"
  echo "${words:-exit $1}"
}
