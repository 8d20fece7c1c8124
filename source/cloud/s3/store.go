package s3

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/source"
	"github.com/go-dmap/dmap/source/cloud/internal/startkey"
)

// Store describes the features of S3 and of S3-compatible stores: ETags, conditional reads, and
// listings that start at a key. Directory buckets (S3 Express) ignore the start key.
func Store() source.StoreFeatures {
	return source.StoreFeatures{ETag: etag, StartAfter: startAfter, IfMatch: ifMatch}
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
		return true // a later page: the token says where it starts
	}
	start, ok := startkey.Within(aws.ToString(in.Prefix), prefix, key, escapes)
	if ok && start != "" {
		in.StartAfter = aws.String(start) // exclusive: the listing does not include start itself
	}
	return ok
}

// escapes reports whether s3blob escapes c in a key.
func escapes(c byte) bool { return c < ' ' }

func ifMatch(as func(any) bool, etag string) bool {
	var in *s3.GetObjectInput
	if !as(&in) {
		return false
	}
	in.IfMatch = aws.String(etag)
	return true
}
