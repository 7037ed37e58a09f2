#!/usr/bin/env bash
# Installs Debian packages, as root: install-packages.sh NAME...
#
# A mosquitto or coturn that this installs is left disabled and never runs, not even for a moment: it
# would listen on a port that nobody asked for. One that is there already is not touched.
set -euo pipefail

POLICY=/usr/sbin/policy-rc.d # what packages ask before they start a service; 101 means no

if [ ! -e "$POLICY" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$POLICY"
  trap 'rm -f "$POLICY"' EXIT
  chmod 755 "$POLICY"
fi

export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=120 "$@"

for service in mosquitto coturn; do
  case " $* " in *" $service "*) ;; *) continue ;; esac
  # Both work on a machine that runs no systemd, too: they only change links.
  if command -v systemctl >/dev/null; then systemctl disable "$service.service" || true; fi
  if command -v update-rc.d >/dev/null; then update-rc.d "$service" disable || true; fi
  if [ -d /run/systemd/system ]; then systemctl stop "$service.service" || true; fi
done
