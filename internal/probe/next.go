package probe

import (
	"context"
	"fmt"

	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/transient"
)

// Op is an operation that is tried.
type Op string

// The operations.
const (
	List        Op = "list"
	Attributes  Op = "read the attributes of"
	Read        Op = "read"
	Decode      Op = "decode the first record of"
	Run         Op = "look for the run in"
	Create      Op = "create"
	CreateAgain Op = "create again"
	ReadBack    Op = "read back"
	Delete      Op = "delete"
)

// permission is what an operation needs.
type permission struct{ what, clouds, folder string }

// of returns the permission for op.
func of(op Op) permission {
	switch op {
	case List:
		return permission{"list objects", "S3: s3:ListBucket; Google: storage.objects.list; Azure: List", "r and x"}
	case Run:
		return permission{"read and list objects", "S3: s3:GetObject and s3:ListBucket, without which an absent object is refused too", "r and x"}
	case CreateAgain:
		return permission{"create and read objects", "S3: s3:PutObject and s3:GetObject; Google: storage.objects.create and get; Azure: Create and Read", "r, w and x"}
	case Create:
		return permission{"create objects", "S3: s3:PutObject; Google: storage.objects.create; Azure: Create", "w and x"}
	case Delete:
		return permission{
			"delete objects, which only redrives and results.Clean do",
			"S3: s3:DeleteObject, and s3:GetObject, as the driver looks first; Google: storage.objects.delete; Azure: Delete",
			"w and x",
		}
	}
	return permission{"read objects", "S3: s3:GetObject; Google: storage.objects.get; Azure: Read", "r and x"}
}

// next is the next step for a person after op has failed with err; empty: err says it. folder says
// that the bucket is a folder of this host.
func next(op Op, err error, folder bool) string {
	switch {
	case err == nil:
		return ""
	case transient.Refused(err) && folder:
		return fmt.Sprintf("allow this user to %s: %s on the folder", of(op).what, of(op).folder)
	case transient.Refused(err):
		return fmt.Sprintf("allow this identity to %s (%s)", of(op).what, of(op).clouds)
	case guard.Is(err, publish.ErrNotExclusive):
		return "use a store that honors If-None-Match: *, or sink.BucketOptions.Express, which keeps no journal"
	case guard.Is(err, dmap.ErrNoObjects), guard.Is(err, dmap.ErrSpecChanged), guard.Is(err, dmap.ErrEnded):
		return ""
	case guard.Is(err, context.DeadlineExceeded):
		return "check endpoint, region and network; a ctx with a later deadline gives more time"
	case transient.Absent(err):
		return "check the names of the bucket and the object, and the region"
	case gcerrors.Code(err) == gcerrors.Unimplemented:
		return "use a store that has this operation"
	case op == Decode:
		return "check the format of the object and the decoder"
	case transient.Classify(err) == transient.Transient:
		return "check endpoint, credentials and network, then try again"
	}
	return ""
}
