package gcs

import (
	"strconv"

	"cloud.google.com/go/storage"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/source"
	"github.com/go-dmap/dmap/source/cloud/internal/startkey"
)

// Store describes the features of Google Cloud Storage: listings that start at a key, and
// conditional reads. A read there cannot be conditional on an ETag, so source.Object.ETag holds
// the object's generation: a decimal number that changes with every write.
func Store() source.StoreFeatures {
	return source.StoreFeatures{ETag: generation, StartAfter: startAfter, IfMatch: ifMatch}
}

func generation(listed *blob.ListObject) string {
	var object storage.ObjectAttrs
	if !listed.As(&object) || object.Generation == 0 {
		return ""
	}
	return strconv.FormatInt(object.Generation, 10)
}

func startAfter(as func(any) bool, prefix, key string) bool {
	var query *storage.Query
	if !as(&query) {
		return false
	}
	start, ok := startkey.Within(query.Prefix, prefix, key, escapes)
	if ok {
		query.StartOffset = start // later pages may have it, too
	}
	return ok
}

// escapes reports whether gcsblob escapes c in a key.
func escapes(c byte) bool { return c == '\n' || c == '\r' }

func ifMatch(as func(any) bool, etag string) bool {
	generation, err := strconv.ParseInt(etag, 10, 64)
	if err != nil {
		return false
	}
	var object **storage.ObjectHandle
	if !as(&object) {
		return false
	}
	*object = (*object).If(storage.Conditions{GenerationMatch: generation})
	return true
}
