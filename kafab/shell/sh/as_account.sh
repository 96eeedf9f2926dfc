# How a script of root's works with the rights of an account.
# Composed by observation, compiler, supervisor, ops.logs and ops.remote.

as_account() (  # USER SCRIPT WORD...: with the account's rights; what is on our stdin is for it, too
  user=$1 script=$2
  shift 2
  exec runuser -u "$user" -- sh -euc "$script" sh "$@"
)
