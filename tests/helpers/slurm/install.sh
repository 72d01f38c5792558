#!/bin/sh
# Install what tests/helpers/slurm/cluster.py needs, on Debian or Ubuntu, as root; start no service.
set -eu

[ "$(id -u)" -eq 0 ] || { echo "install.sh: must be root to install packages" >&2; exit 1; }

# Packages start their daemons unless this policy says no; one that is there already is left alone
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
fi

apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    munge slurm-client slurmctld slurmd
