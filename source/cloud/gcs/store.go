package gcs

import (
	"strconv"
	"strings"

	"cloud.google.com/go/storage"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/source"
)

// Store describes the features of Google Cloud Storage: listings that start at a key, and
// conditional reads. A read there cannot be conditional on an ETag, so source.Object.ETag holds
// the object's generation: a decimal number that changes with every write.
func Store() source.StoreFeatures {
	return source.StoreFeatures{
		ETag: generation, CurrentETag: currentGeneration, StoredKey: storedKey, StartAfter: startAfter, IfMatch: ifMatch, Answer: answer,
	}
}

func storedKey(listed *blob.ListObject) string {
	var object storage.ObjectAttrs
	if !listed.As(&object) {
		return ""
	}
	return object.Name
}

func generation(listed *blob.ListObject) string {
	var object storage.ObjectAttrs
	if !listed.As(&object) || object.Generation == 0 {
		return ""
	}
	return strconv.FormatInt(object.Generation, 10)
}

func currentGeneration(attributes *blob.Attributes) string {
	var object storage.ObjectAttrs
	if !attributes.As(&object) || object.Generation == 0 {
		return attributes.ETag
	}
	return strconv.FormatInt(object.Generation, 10)
}

func startAfter(as func(any) bool, prefix, key string) bool {
	var query *storage.Query
	if !as(&query) {
		return false
	}
	bucket, ok := strings.CutSuffix(query.Prefix, prefix)
	if ok && key != "" {
		query.StartOffset = bucket + key // later pages may have it, too
	}
	return ok
}

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

// answer tells where a body starts: at the object's first byte, whatever was asked for, if the
// service has decoded it ("decompressive transcoding").
func answer(as func(any) bool) (source.ReadAnswer, bool) {
	var reader *storage.Reader
	if !as(&reader) {
		return source.ReadAnswer{}, false
	}
	attrs := &reader.Attrs
	a := source.ReadAnswer{Begin: attrs.StartOffset, Size: attrs.Size, Encoding: attrs.ContentEncoding, Decoded: attrs.Decompressed}
	if attrs.Generation > 0 {
		a.ETag = strconv.FormatInt(attrs.Generation, 10)
	}
	return a, true
}
