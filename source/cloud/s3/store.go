package s3

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/source"
	"github.com/go-dmap/dmap/source/cloud/internal/startkey"
)

// Store is what S3, and what speaks its protocol, can do: ETags, conditional reads, and listings that start at a key.
// Directory buckets (S3 Express) ignore where a listing is to start.
func Store() source.Store {
	return source.Store{ETag: etag, StartAfter: startAfter, IfMatch: ifMatch}
}

func etag(listed *blob.ListObject) string {
	var object types.Object
	if !listed.As(&object) {
		return ""
	}
	return aws.ToString(object.ETag)
}

func startAfter(as func(any) bool, prefix, key string) bool {
	var in *s3.ListObjectsV2Input
	if !as(&in) {
		return false
	}
	if in.ContinuationToken != nil {
		return true // it starts where the page before ended
	}
	start, ok := startkey.Within(aws.ToString(in.Prefix), prefix, key, escapes)
	if ok && start != "" {
		in.StartAfter = aws.String(start) // which leaves out start itself too
	}
	return ok
}

// escapes says which characters s3blob does not write as they are.
func escapes(c byte) bool { return c < ' ' }

func ifMatch(as func(any) bool, etag string) bool {
	var in *s3.GetObjectInput
	if !as(&in) {
		return false
	}
	in.IfMatch = aws.String(etag)
	return true
}
