# Carries out the steps of a deploy; needs rooted and as_account.
# Composed by compiler.
# shellcheck disable=SC2016  # the text is a script for another shell, which expands it
# shellcheck disable=SC2086  # the words are split on purpose
# shellcheck disable=SC3067  # -O is not POSIX's, but every sh of a Linux host has it

umask 027
folder() {  # PATH MODE [OWNER]: the parents keep the mode of the place
  new=$1.kafab-new up=${1%/*} owner=${3-}
  [ "$owner" != root:root ] || [ ! -d "$1" ] || { take "$1" "$2"; return; }
  [ ! -d "$1" ] || return 0
  if [ -n "$owner" ] && ! why=$(rooted "$up"); then
    case $owner in root:*) echo "root makes $1 only where it alone can write:" $why; return 1 ;; esac
    as_account "${owner%:*}" 'umask 022; mkdir -p -- "${1%/*}"; mkdir -m "$2" -- "$1"' "$1" "$2" < /dev/null
    return
  fi
  (umask 022; mkdir -p -- "$up")
  # Its final name only when it is its owner's: a folder that is there is never given to anybody.
  [ -d "$new" ] || mkdir -- "$new"
  [ -z "$owner" ] || chown "$owner" "$new"
  chmod "$2" "$new"
  mv -T -- "$new" "$1"
}
take() {  # FOLDER MODE: it becomes root's; of what another account has left in it only that account's own tmp stays
  why=$(rooted "${1%/*}") || { echo "root takes $1 only where it alone can write:" $why; return 1; }
  [ ! -L "$1" ] || { echo "$1 is a link"; return 1; }
  chown root:root -- "$1"
  # Not yet the mode of a folder that is ready: an interruption from here on is seen, and begins again.
  chmod 700 -- "$1"
  for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    [ -e "$entry" ] || [ -L "$entry" ] || continue
    # A process that runs has its temporary files there.
    [ "$entry" != "$1/tmp" ] || [ -L "$entry" ] || [ ! -d "$entry" ] || continue
    [ -f "$entry" ] && [ ! -L "$entry" ] && [ -O "$entry" ] || rm -rf -- "$entry"
  done
  chmod "$2" -- "$1"
}
account() {  # USER, with a group of the same name
  id -u -- "$1" >/dev/null 2>&1 ||
    useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin -- "$1"
}
enable() {  # UNIT: at boot; it is neither started nor restarted
  systemctl daemon-reload
  systemctl enable --quiet "$1"
}
flip() {  # LINK TARGET: readers see the old or the new release, never none
  ln -s -f -n -- "$2" "$1.kafab-new"
  mv -f -T -- "$1.kafab-new" "$1"
}
