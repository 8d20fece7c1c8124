package azure

import (
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azblobblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/source"
)

// Store describes the features of Azure Blob Storage: ETags and conditional reads. Listings start
// at the first key: azblob v1.8.0 has an option StartFrom but never sends it. So source.Objects
// lists Azure with one request after the other.
func Store() source.StoreFeatures {
	return source.StoreFeatures{ETag: etag, StoredKey: storedKey, IfMatch: ifMatch, Answer: answer}
}

func storedKey(listed *blob.ListObject) string {
	var item container.BlobItem
	if !listed.As(&item) || item.Name == nil {
		return ""
	}
	return *item.Name
}

func etag(listed *blob.ListObject) string {
	var item container.BlobItem
	if !listed.As(&item) || item.Properties == nil || item.Properties.ETag == nil {
		return ""
	}
	return quoted(string(*item.Properties.ETag))
}

// quoted adds the quotes that a request needs: listings return ETags without them.
func quoted(etag string) string {
	if etag == "" || etag[len(etag)-1] == '"' {
		return etag
	}
	return `"` + etag + `"`
}

func ifMatch(as func(any) bool, etag string) bool {
	var options *azblobblob.DownloadStreamOptions
	if !as(&options) {
		return false
	}
	match := azcore.ETag(etag)
	options.AccessConditions = &azblobblob.AccessConditions{
		ModifiedAccessConditions: &azblobblob.ModifiedAccessConditions{IfMatch: &match},
	}
	return true
}

// answer tells where a body starts, and whether it may be decoded: Go decodes each body with
// Content-Encoding gzip, and removes its length.
func answer(as func(any) bool) (source.ReadAnswer, bool) {
	var response azblobblob.DownloadStreamResponse
	if !as(&response) {
		return source.ReadAnswer{}, false
	}
	a := source.ReadAnswer{Size: -1, Decoded: response.ContentLength == nil}
	if response.ContentEncoding != nil {
		a.Encoding = *response.ContentEncoding
	}
	if response.ETag != nil {
		a.ETag = quoted(string(*response.ETag))
	}
	switch {
	case response.ContentRange != nil:
		a.Begin, a.Size = parseRange(*response.ContentRange)
	case response.ContentLength != nil:
		a.Size = *response.ContentLength
	}
	return a, true
}

// parseRange returns the first byte and the size of the object from a Content-Range such as
// "bytes 10-14/27"; the size is -1 if it is not there.
func parseRange(text string) (begin, size int64) {
	interval, total, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(text, "bytes")), "/")
	first, _, _ := strings.Cut(interval, "-")
	begin, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return 0, -1
	}
	if size, err = strconv.ParseInt(total, 10, 64); err != nil {
		size = -1
	}
	return begin, size
}
