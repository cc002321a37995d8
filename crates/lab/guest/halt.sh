#!/bin/bash
# Stands in for systemctl, shutdown, poweroff and halt in one host of the lab: what goes down is PID 1 of that host alone.
# Understands what an operator or a program of theirs says; anything else is refused, as by a host that does not know it.
echo "$(date +%s.%N) ${0##*/} $*" >>/var/log/libvirt/halt.log
pending=/run/lab-shutdown.pid

# The lag lets the caller's SSH session end first.
down() {
  setsid sh -c "sleep $1; kill -TERM 1" >/dev/null 2>&1 </dev/null &
  echo $! >$pending
}
refuse() { echo "$*: not in this lab" >&2; exit 1; }

case ${0##*/} in
  poweroff | halt) down 0.3 ;;
  systemctl)
    for word; do
      case $word in
        -*) ;;
        poweroff | halt) down 0.3; exit 0 ;;
        *) refuse "systemctl $word" ;;
      esac
    done
    refuse systemctl ;;
  shutdown)
    lag=60
    for word; do
      case $word in
        -c) [ -e $pending ] && kill -- "-$(cat $pending)" 2>/dev/null; rm -f $pending; exit 0 ;;
        -r | --reboot) refuse "shutdown $word" ;;
        -*) ;;
        now | +0) lag=0.3; break ;;
        +*) lag=$((60 * ${word#+})); break ;;
        *) refuse "shutdown $word" ;;
      esac
    done
    down "$lag" ;;
  *) refuse "${0##*/}" ;;
esac
