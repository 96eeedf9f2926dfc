# Compares the releases of a host with their archives, file by file.
# Composed by releases.unpacked.

linked() {  # NODE LINK
  if target=$(cd -P -- "$2" 2>/dev/null && pwd -P); then echo "link $1 ${target##*/}"; fi
}
release() {  # ROOT FOLDER, the lines of its archive on stdin: those that are on one side only
  [ -d "$1/$2" ] || return 0
  echo "release $2"
  (cd -- "$1/$2" && { cat; found || echo unread; } | sort | uniq -u)
}
found() {  # a failure of any of these, like a file that may not be read, is told
  find . -type f -exec sha256sum -- {} + &&
    find . -type l -exec sh -c 'for link do printf "link %s  %s\n" "$(readlink -- "$link")" "$link"; done' sh {} + &&
    find . ! -type f ! -type l ! -type d -exec printf 'special  %s\n' {} + &&
    find . ! -type l '(' -perm -020 -o -perm -002 ')' -exec printf 'writable  %s\n' {} + &&
    find . -type f '(' -perm -4000 -o -perm -2000 ')' -exec printf 'setuid  %s\n' {} +
}
