# Makes settings of the kernel, now and for the next boot.
# Composed by preflight.sysctl.

apply() { [ "$(cat -- "$1")" = "$2" ] || printf '%s\n' "$2" > "$1"; }
keep() {  # FILE TEXT
  umask 022
  mkdir -p -- "${1%/*}"
  printf %s "$2" > "$1.kafab-new"
  mv -f -- "$1.kafab-new" "$1"
}
