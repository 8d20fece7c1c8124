package s3

import (
	"bufio"
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// The SDK takes an empty body, or that of another document, for a listing without keys, and gocloud
// looks at the token alone. So the answers to listings are checked in the SDK.

var (
	errNoListing = errors.New("the answer is no listing")
	errNoToken   = errors.New("the listing is truncated, and the answer does not say where it continues")
	errFewKeys   = errors.New("the listing has fewer keys than the answer says")
	errLong      = errors.New("the answer to a listing is too long")
)

// checked makes the listings of a client, or one of them, fail if the answer is no listing.
func checked(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, addListChecks)
}

func addListChecks(stack *middleware.Stack) error {
	const document, result = "dmap:listing document", "dmap:listing result"
	if operation := stack.ID(); operation != "ListObjectsV2" && operation != "ListObjects" {
		return nil
	}
	if _, added := stack.Deserialize.Get(document); added {
		return nil
	}
	// after all others: it gets the answer before the SDK decodes it
	if err := stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc(document, checkDocument), middleware.After); err != nil {
		return err
	}
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc(result, checkResult), middleware.After)
}

// rootPeek is the number of bytes that hold the root element's name.
const rootPeek = 1024

func checkDocument(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
	middleware.DeserializeOutput, middleware.Metadata, error,
) {
	out, metadata, err := next.HandleDeserialize(ctx, in)
	response, ok := out.RawResponse.(*smithyhttp.Response)
	if err != nil || !ok || response.StatusCode >= 300 {
		return out, metadata, err
	}
	body := bufio.NewReaderSize(response.Body, 4*rootPeek)
	head, err := body.Peek(rootPeek)
	if err != nil && err != io.EOF {
		return out, metadata, err
	}
	if root := rootOf(head); root != "ListBucketResult" {
		_ = response.Body.Close()
		return out, metadata, &smithy.DeserializationError{Err: fmt.Errorf("%w: its root element is %q", errNoListing, root)}
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{&limited{src: body, rest: maxAnswer}, response.Body}
	return out, metadata, nil
}

// maxAnswer is the maximal length of an answer in bytes. A page has at most 1,000 keys of 1,024
// bytes, of which XML may make six times as many.
const maxAnswer = 16 << 20

// limited is src, which must not be longer than rest: the SDK keeps all of an answer in memory.
type limited struct {
	src  io.Reader
	rest int
}

func (l *limited) Read(p []byte) (int, error) {
	if l.rest == 0 {
		return 0, fmt.Errorf("%w: more than %d bytes", errLong, maxAnswer)
	}
	n, err := l.src.Read(p[:min(len(p), l.rest)])
	l.rest -= n
	return n, err
}

// rootOf returns the name of the first element of a document, empty if there is none.
func rootOf(head []byte) string {
	decoder := xml.NewDecoder(bytes.NewReader(head))
	for {
		token, err := decoder.Token()
		if err != nil {
			return ""
		}
		if element, ok := token.(xml.StartElement); ok {
			return element.Name.Local
		}
	}
}

func checkResult(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
	middleware.InitializeOutput, middleware.Metadata, error,
) {
	out, metadata, err := next.HandleInitialize(ctx, in)
	if page, ok := out.Result.(*s3.ListObjectsV2Output); ok && err == nil {
		err = checkPage(page)
	}
	return out, metadata, err
}

func checkPage(page *s3.ListObjectsV2Output) error {
	keys := len(page.Contents) + len(page.CommonPrefixes)
	switch {
	case aws.ToBool(page.IsTruncated) && aws.ToString(page.NextContinuationToken) == "":
		return errNoToken
	case int(aws.ToInt32(page.KeyCount)) > keys:
		return fmt.Errorf("%w: %d of %d", errFewKeys, keys, *page.KeyCount)
	}
	for i := range page.Contents {
		if page.Contents[i].LastModified == nil { // gocloud would panic
			return fmt.Errorf("%w: key %q has no time", errNoListing, aws.ToString(page.Contents[i].Key))
		}
	}
	return nil
}
