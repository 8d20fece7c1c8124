package hostfolder

import "syscall"

// network names the file systems, by their magic numbers in statfs(2), that other hosts may share.
var network = map[uint32]string{ //nolint:gochecknoglobals // constants
	0x6969: "nfs", 0xff534d42: "cifs", 0xfe534d42: "smb2", 0x517b: "smb", 0x65735546: "fuse", 0x01021997: "9p",
	0x00c36400: "ceph", 0x0bd00bd0: "lustre", 0x47504653: "gpfs", 0x5346414f: "afs", 0x6b414653: "afs", 0x73757245: "coda",
	0x7461636f: "ocfs2", 0x01161970: "gfs2", 0x6a656a63: "virtiofs", 0xaad7aaea: "panfs", 0x19830326: "beegfs", 0xbacbacbc: "vmhgfs",
	0x013111a8: "ibrix", 0xa501fcf5: "vxfs", 0x20030528: "orangefs", 0x564c: "ncp",
}

// Network returns the name of the file system that path lies on, if other hosts may share it: then
// locks may not reach them, and a create-only write may not exclude them. It is empty for a local
// file system, and where the system does not tell.
func Network(path string) string {
	var stat syscall.Statfs_t
	if syscall.Statfs(path, &stat) != nil {
		return ""
	}
	return network[uint32(stat.Type)] //nolint:gosec // a magic number of 32 bits; its type differs by platform
}
