# SPDX-License-Identifier: Apache-2.0
"""How a hypervisor of these tests begins, and its guests."""

#: No more than it takes: there are no cgroups and no virtlogd, and QEMU runs
#: as whoever runs libvirtd.
QEMU_CONFIG = """
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
namespaces = []
seccomp_sandbox = 0
remember_owner = 0
dynamic_ownership = 0
stdio_handler = "file"
"""
#: The first process there: all others end with it, and it with this one, as
#: its standard input does. It says its pid while /proc is still ours. Whited
#: out, as overlayfs does it, are this machine's network devices, which are not
#: there, and its KVM if it has one: root may open that, whatever its mode is
#: (see libvirtd.NO_KVM).
INIT = """
read -r pid rest < /proc/self/stat
mount -t proc none /proc
! grep -q ' /sys/fs/cgroup ' /proc/mounts || umount -l /sys/fs/cgroup
mknod {home}/dev/kvm c 0 0
mknod {home}/sys/class/net c 0 0
for place in sys dev etc; do
  mount -t overlay none -o lowerdir={home}/$place:/$place /$place
done
mount -t devpts -o ptmxmode=666 devpts /dev/pts
mount -t tmpfs none /dev/shm
mount --bind {home}/conf /etc/nova-mdev-compat
{prepare}
cp {home}/qemu.conf /etc/libvirt
mkdir /etc/libvirt/hooks
ln -s {home}/hooks /etc/libvirt/hooks/qemu.d
echo $pid
exec {reaper} cat
"""
#: With an mdev libvirt would let QEMU lock all the guest's memory, which not
#: every root may; a limit of its own is the least that it locks, and without
#: cgroups nothing holds the guest to it.
DOMAIN = """
<domain type='qemu'><name>{name}</name><uuid>{uuid}</uuid>
<memory unit='MiB'>32</memory>
<memtune><hard_limit unit='KiB'>8000</hard_limit></memtune>
<os><type arch='x86_64'>hvm</type></os>
<devices><emulator>{emulator}</emulator>{mdevs}
<memballoon model='none'/></devices></domain>
"""
HOSTDEV = """
<hostdev mode='subsystem' type='mdev' managed='no' model='vfio-pci'
 display='off'><source><address uuid='{}'/></source></hostdev>
"""
