package azure

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// listCheck makes a listing fail whose answer is incomplete: the SDK takes one without a NextMarker
// for the last page, and gocloud panics at one without a body. The SDK repeats the request.
type listCheck struct{}

// Do sends the request.
func (listCheck) Do(request *policy.Request) (*http.Response, error) {
	response, err := request.Next()
	if err != nil || response.StatusCode != http.StatusOK || request.Raw().URL.Query().Get("comp") != "list" {
		return response, err
	}
	body, err := runtime.Payload(response) // the SDK gets it again
	if err != nil {
		return nil, err
	}
	for _, element := range []string{"<EnumerationResults", "<NextMarker", "</EnumerationResults>"} {
		if !bytes.Contains(body, []byte(element)) {
			return nil, fmt.Errorf("azure: the answer to a listing is incomplete: %d bytes without %s: %w", len(body), element, io.ErrUnexpectedEOF)
		}
	}
	return response, nil
}
