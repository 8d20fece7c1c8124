package azure

import (
	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azblobblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/source"
)

// Store is what Azure Blob Storage can do: ETags, and reads that are conditional on them. Listings cannot start at a key: the
// service can, but azblob v1.8.0 has an option StartFrom that it never sends. So Azure is listed by one request after the other.
func Store() source.Store {
	return source.Store{ETag: etag, IfMatch: ifMatch}
}

func etag(listed *blob.ListObject) string {
	var item container.BlobItem
	if !listed.As(&item) || item.Properties == nil || item.Properties.ETag == nil {
		return ""
	}
	return quoted(string(*item.Properties.ETag))
}

// quoted is etag as a request wants it: listings give it without its quotes.
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
