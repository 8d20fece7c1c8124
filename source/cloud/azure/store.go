package azure

import (
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
	return source.StoreFeatures{ETag: etag, IfMatch: ifMatch}
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
