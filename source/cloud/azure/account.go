package azure

import (
	"errors"
	"net/http"
	"net/url"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"gocloud.dev/blob/azureblob"
)

// account is what the environment says: where the service is, and how to prove who asks. The first that is there counts, in
// the order in which azureblob asks: account and key, a SAS token, a connection string, what azidentity finds.
type account struct {
	service    azureblob.ServiceURLOptions // with the SAS token
	key        string
	connection string
}

func fromEnvironment() account {
	a := account{service: *azureblob.NewDefaultServiceURLOptions(), connection: os.Getenv("AZURE_STORAGE_CONNECTION_STRING")}
	if a.connection == "" {
		a.connection = os.Getenv("AZURE_STORAGEBLOB_CONNECTIONSTRING")
	}
	if os.Getenv("AZURE_STORAGE_ACCOUNT") != "" { // the name in a connection string has its key there
		a.key = os.Getenv("AZURE_STORAGE_KEY")
	}
	return a
}

// client returns what makes the client of a container over own.
func (a account) client(own *http.Client) func(azureblob.ServiceURL, azureblob.ContainerName) (*container.Client, error) {
	return func(service azureblob.ServiceURL, name azureblob.ContainerName) (*container.Client, error) {
		if err := a.keepToken(service); err != nil {
			return nil, err
		}
		options := &container.ClientOptions{}
		options.Transport = own
		address, err := url.JoinPath(string(service), string(name))
		if err != nil {
			return nil, errors.New("azure: the container's address does not parse")
		}
		switch {
		case a.key != "":
			credential, err := azblob.NewSharedKeyCredential(a.service.AccountName, a.key)
			if err != nil {
				return nil, err
			}
			return container.NewClientWithSharedKeyCredential(address, credential, options)
		case a.service.SASToken != "":
			return container.NewClientWithNoCredential(address, options)
		case a.connection != "":
			return container.NewClientFromConnectionString(a.connection, string(name), options)
		}
		credential, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{
			ClientOptions: policy.ClientOptions{Transport: own},
		})
		if err != nil {
			return nil, err
		}
		return container.NewClient(address, credential, options)
	}
}

// keepToken refuses to send a SAS token, which is part of every address, where a bucket's URL says instead of where the
// environment does.
func (a account) keepToken(service azureblob.ServiceURL) error {
	if a.service.SASToken == "" {
		return nil
	}
	home, err := azureblob.NewServiceURL(&a.service)
	if err != nil {
		return err
	}
	if !sameOrigin(home, service) {
		return errors.New("azure: the bucket's URL names another service than the one that AZURE_STORAGE_SAS_TOKEN is for")
	}
	return nil
}
