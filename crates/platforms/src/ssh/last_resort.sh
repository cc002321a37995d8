# The dead-man timer of Ridethrough on a host. Read by `sh` from its input, after lines that set: verb (set, cancel, observe or agents),
# name (of the host), mark (changes with what the timer would do), after and guests (seconds), command (shuts the host down).
# Needs a POSIX sh, setsid and /proc; no systemd, no root. Nothing is done before the last line has arrived.

# What runs on the host. Deadlines are seconds of /proc/uptime: no step of the wall clock moves them.
timer='
tag=$0 name=$1 mark=$2 state=$3 command=$4
trap "" HUP
cd /
echo "$$" >"$state/pid.$$" && mv -f "$state/pid.$$" "$state/pid" || exit 1
echo ready
exec >/dev/null 2>&1

now() { read -r up rest </proc/uptime; up=${up%.*}; }
say() { if command -v logger; then logger -t "$tag" "$*"; fi; }
bounded() { if command -v timeout >/dev/null; then timeout "$@"; else shift; "$@"; fi; }

# Waits. Whoever renames the file first has won: this, or a cancel.
while :; do
  read -r at guests owner rest <"$state/deadline" || exit 0
  [ "$owner" = "$mark" ] || exit 0
  now
  [ "$at" -le "$up" ] && mv "$state/deadline" "$state/fired" && break
  sleep 1
done

# Guests: told to shut down, told again after half of the time, waited for until all of it is over.
say "no word from the controller in time: stopping this host before its battery ends"
now
half=$((up + guests / 2)) end=$((up + guests)) told=
if command -v virsh; then
  while [ "$up" -lt "$end" ]; do
    if running=$(bounded 10 virsh -q -c qemu:///system list --state-running --uuid 2>/dev/null); then
      set -- $running
      [ $# -gt 0 ] || break
      [ "$up" -ge "$half" ] && half=$end told=
      for guest; do
        case " $told " in *" $guest "*) continue ;; esac
        bounded 20 virsh -q -c qemu:///system shutdown "$guest" &
        told="$told $guest"
      done
    fi
    sleep 1
    now
  done
fi

# The host itself. A command that does not work is given up some time: nothing may stop a host days later.
mv "$state/fired" "$state/down" || exit 0
tries=0
while [ "$tries" -lt 30 ]; do
  say "shutting down: $command"
  sh -c "$command" </dev/null
  sleep 10
  tries=$((tries + 1))
done
say "this host could not be shut down: $command"
mv "$state/down" "$state/failed"
'

fail() { echo "$*" >&2; exit 3; }

now() { read -r up rest </proc/uptime && up=${up%.*} && [ -n "$up" ] || fail 'the host has no /proc/uptime to count by'; }

# Whether a timer lives: any of this host's, or the one of that mark.
runs() {
  pid= line=
  { read -r pid <"$state/pid"; } 2>/dev/null || return 1
  line=$(tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -A 2 -x -F "$tag") || return 1
  case $line in
    "$tag
$name
${1-}"*) [ $# -eq 0 ] || [ "${line##*
}" = "$1" ] ;;
    *) return 1 ;;
  esac
}

# Files of an earlier boot say nothing: nothing of it lives.
forget_old() {
  [ -e "$state" ] || [ -L "$state" ] || return 0
  [ -L "$state" ] || ! [ -d "$state" ] || ! [ -O "$state" ] && fail "$state is not ours: somebody else has put it there"
  read -r old <"$state/boot" || old=
  [ "$old" = "$boot" ] || rm -rf "$state"
}

# Some systems end what a session leaves behind; a timer that dies with our connection is none.
outlives() {
  command -v busctl >/dev/null || return 0
  manager='org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager'
  [ "$(busctl get-property $manager KillUserProcesses 2>/dev/null)" = 'b true' ] || return 0
  case "$(busctl get-property $manager KillExcludeUsers 2>/dev/null)" in *"\"$(id -un)\""*) return 0 ;; esac
  fail "systemd-logind kills what $(id -un) leaves behind: set KillUserProcesses=no or add the user to KillExcludeUsers"
}

show() {
  if [ -e "$state/fired" ] || [ -e "$state/down" ] || [ -e "$state/failed" ]; then
    echo fired
  elif { read -r at rest <"$state/deadline"; } 2>/dev/null && runs; then
    now
    echo "set $((at > up ? at - up : 0))"
  else
    echo idle
  fi
}

set_timer() {
  command -v setsid >/dev/null || fail 'the host has no setsid: install util-linux'
  if [ -e "$state/fired" ] || [ -e "$state/down" ]; then
    echo fired
    return
  fi
  rm -f "$state/failed"
  # Never one that somebody else has just made.
  { [ -d "$state" ] || mkdir "$state"; } && echo "$boot" >"$state/boot" || fail "$state cannot be written"
  now
  echo "$((up + after)) $guests $mark" >"$state/new.$$" && mv -f "$state/new.$$" "$state/deadline" || fail "$state cannot be written"
  if ! runs "$mark"; then
    outlives
    ready=$(setsid sh -c "$timer" "$tag" "$name" "$mark" "$state" "$command" </dev/null 2>/dev/null &)
    [ "$ready" = ready ] || fail 'the timer does not start'
  fi
  show
}

cancel_timer() {
  if ! mv "$state/deadline" "$state/gone" 2>/dev/null && ! mv "$state/fired" "$state/gone" 2>/dev/null && [ -e "$state/down" ]; then
    echo fired
    return
  fi
  # It leads a session of its own: its children go with it.
  if runs; then kill -- "-$pid" 2>/dev/null || kill "$pid" 2>/dev/null; fi
  rm -rf "$state"
  [ -e "$state" ] && fail "$state cannot be taken away"
  echo idle
}

agents() {
  for process in /proc/[0-9]*; do
    { read -r program <"$process/comm"; } 2>/dev/null || continue
    case $program in upsmon | apcupsd | pwrstatd) echo "runs $program" ;; esac
  done
  for file in /etc/nut/upsmon.conf /etc/ups/upsmon.conf /usr/local/ups/etc/upsmon.conf; do
    [ -e "$file" ] || continue
    [ -r "$file" ] || { echo "unreadable upsmon $file"; continue; }
    # Its passwords stay where they are: of a MONITOR line only the UPS and the last word, if that is a role.
    while read -r word value rest; do
      case $word in
        MONITOR)
          role=${rest##*[[:space:]]}
          case $role in primary | secondary | master | slave) ;; *) role=unknown ;; esac
          echo "monitors upsmon $value $role" ;;
        FINALDELAY | HOSTSYNC | MINSUPPLIES) echo "setting upsmon $word $value" ;;
      esac
    done <"$file"
  done
}

main() {
  umask 077
  tag=ridethrough-last-resort
  read -r boot </proc/sys/kernel/random/boot_id || boot=unknown
  # Not /dev/shm: systemd-logind empties it of what a user leaves behind.
  for base in /run /tmp; do [ -d "$base" ] && [ -w "$base" ] && break; done
  state=$base/$tag-$(id -u)-$name
  [ "$verb" = agents ] || forget_old
  case $verb in
    set) set_timer ;;
    cancel) cancel_timer ;;
    observe) show ;;
    agents) agents ;;
    *) fail "what is $verb?" ;;
  esac
  exit 0
}
main
