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

// account is the configuration from the environment: the address of the service, and the
// credentials. Credentials are tried in the order of azureblob: account key, SAS token, connection
// string, azidentity.
type account struct {
	service    azureblob.ServiceURLOptions // includes the SAS token
	key        string
	connection string
}

func fromEnvironment() account {
	a := account{service: *azureblob.NewDefaultServiceURLOptions(), connection: os.Getenv("AZURE_STORAGE_CONNECTION_STRING")}
	if a.connection == "" {
		a.connection = os.Getenv("AZURE_STORAGEBLOB_CONNECTIONSTRING")
	}
	// Without this variable the account comes from the connection string, which has its own key.
	if os.Getenv("AZURE_STORAGE_ACCOUNT") != "" {
		a.key = os.Getenv("AZURE_STORAGE_KEY")
	}
	return a
}

// client returns a function that makes the client of a container over own.
func (a account) client(own *http.Client) func(azureblob.ServiceURL, azureblob.ContainerName) (*container.Client, error) {
	return func(service azureblob.ServiceURL, name azureblob.ContainerName) (*container.Client, error) {
		if err := a.keepToken(service); err != nil {
			return nil, err
		}
		options := &container.ClientOptions{}
		options.Transport = own
		options.PerRetryPolicies = []policy.Policy{listCheck{}}
		address, err := url.JoinPath(string(service), string(name))
		if err != nil {
			return nil, errors.New("azure: the container's URL does not parse")
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

// keepToken returns an error if the bucket's URL names another service than the environment. The
// SAS token is part of every request URL, so it would be sent to that service.
func (a account) keepToken(service azureblob.ServiceURL) error {
	if a.service.SASToken == "" {
		return nil
	}
	home, err := azureblob.NewServiceURL(&a.service)
	if err != nil {
		return err
	}
	if !sameOrigin(home, service) {
		return errors.New("azure: the bucket's URL names another service than the environment, and AZURE_STORAGE_SAS_TOKEN must not be sent to it")
	}
	return nil
}
