# Finds and runs the tools in bin/ of a node's release, as the node's account.
# Composed by ops.tool.

look() {  # CURRENT
  cd /
  home=$(cd -P -- "$1" 2>/dev/null && pwd -P) || return 0
  echo "release ${home##*/}"
  for file in "$home"/bin/*; do [ ! -f "$file" ] || echo "tool ${file##*/}"; done
}
tool() {  # JAVA-HOME PROGRAM WORD...: with the Java that the node's own launch script finds
  cd /
  JAVA_HOME=$1
  [ -n "$JAVA_HOME" ] || command -v java >/dev/null ||
    for java in /usr/lib/jvm/*/bin/java; do [ ! -x "$java" ] || { JAVA_HOME=${java%/bin/java}; break; }; done
  if [ -n "$JAVA_HOME" ]; then export JAVA_HOME; else unset JAVA_HOME; fi
  shift
  exec "$@"
}
