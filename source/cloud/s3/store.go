package s3

import (
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/source"
)

// Store describes the features of S3 and of S3-compatible stores: ETags, conditional reads, answers
// that tell their range, and listings that start at a key and whose answers are checked. Directory
// buckets (S3 Express) ignore the start key.
func Store() source.StoreFeatures {
	return source.StoreFeatures{ETag: etag, StoredKey: storedKey, StartAfter: startAfter, IfMatch: ifMatch, Answer: answer}
}

func storedKey(listed *blob.ListObject) string {
	var object types.Object
	if !listed.As(&object) {
		return ""
	}
	return aws.ToString(object.Key)
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
	var options *[]func(*s3.Options)
	if as(&options) {
		*options = append(*options, checked)
	}
	if in.ContinuationToken != nil {
		return true // a later page: the token says where it starts
	}
	bucket, ok := strings.CutSuffix(aws.ToString(in.Prefix), prefix)
	if ok && key != "" {
		in.StartAfter = aws.String(bucket + text(key)) // exclusive: the listing does not include the key itself
	}
	return ok
}

// text returns the longest prefix of key that is UTF-8, as requests are.
func text(key string) string {
	for i, c := range key {
		if c == utf8.RuneError && !strings.HasPrefix(key[i:], "\uFFFD") {
			return key[:i]
		}
	}
	return key
}

func ifMatch(as func(any) bool, etag string) bool {
	var in *s3.GetObjectInput
	if !as(&in) {
		return false
	}
	if strings.HasPrefix(etag, "W/") { // no condition matches it
		return false
	}
	in.IfMatch = aws.String(quoted(etag))
	return true
}
