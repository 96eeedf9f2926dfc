# Keeps what a node was started from, and puts it back; needs plain and put.
# Composed by ops.deploy.compiler.

copied() {  # FOLDER FILE...: with their modes and owners
  into=$1
  shift
  for file; do
    ! plain "$file" || cp -p -- "$file" "$into/" || return 1
  done
}
keep_generation() {  # CONFIG NUMBER ABOUT AIM FILE... -- UNIT... -- DROPPED...: whole under its number, or not there at all
  before=$1/.before noted=$1/.before/.aim number=$2 about=$3 aim=$4 new=$1/.before/new
  shift 4
  [ ! -L "$before" ] || { echo "$before is a link"; return 1; }
  rm -rf -- "$new"
  (umask 077; mkdir -p -- "$new/unit") || not_kept
  while [ "$1" != -- ]; do copied "$new" "$1" || not_kept; shift; done
  shift
  while [ "$1" != -- ]; do copied "$new/unit" "$1" || not_kept; shift; done
  shift
  if [ "$number" -ne 0 ]; then
    printf '%s %s\n' "$about" "$(date +%s)" > "$new/.about" || not_kept
    rm -rf -- "${before:?}/$number"
    mv -T -- "$new" "$before/$number"
  else
    rm -rf -- "$new"
  fi
  if [ -n "$aim" ]; then
    printf '%s\n' "$aim" > "$noted.kafab-new"
    mv -f -T -- "$noted.kafab-new" "$noted"
  else
    rm -f -- "$noted"
  fi
  for old; do rm -rf -- "${before:?}/$old"; done
}
not_kept() {
  rm -rf -- "$new"
  rmdir -- "$before" 2>/dev/null || :
  echo "(what it was started from could not be kept)"
  exit 1
}
put_back() {  # SOURCE PATH MODE SHA256 [OWNER]: as put, of a file that was kept
  source=$1
  shift
  put "$@" < "$source"
}
