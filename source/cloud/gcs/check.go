package gcs

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// checked makes requests fail whose answers the SDK would take for something else: it takes every
// JSON object for a listing, and decodes a body from any point on.
type checked struct{ http.RoundTripper }

// RoundTrip sends the request.
func (c checked) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := c.RoundTripper.RoundTrip(request)
	if err != nil || request.Method != http.MethodGet || response.StatusCode >= http.StatusMultipleChoices {
		return response, err
	}
	switch {
	case isListing(request):
		err = checkListing(response)
	case isContinued(request):
		err = checkContinued(request, response)
	}
	if err != nil {
		_ = response.Body.Close()
		return nil, err
	}
	return response, nil
}

// isListing reports whether a request is that of a page of all fields of objects.
func isListing(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/storage/v1/b/") && strings.HasSuffix(r.URL.Path, "/o") && !r.URL.Query().Has("fields")
}

const (
	listingKind = `"storage#objects"`
	kindPeek    = 512 // bytes that hold the kind in answers of the service
	// maxListing is the maximal length of an answer to a listing: a page has at most 1,000 objects,
	// with keys of 1 KiB and metadata of 8 KiB, which JSON may make six times as many.
	maxListing = 64 << 20
)

var (
	errNoListing = errors.New("gcs: the answer is no listing of objects")
	errLong      = fmt.Errorf("gcs: the answer to a listing has more than %d bytes", maxListing)
	errContinued = errors.New("gcs: the body cannot be continued where it broke off")
)

// checkListing returns an error that the SDK repeats for an answer of another kind: without items
// and a token it would be the end of a listing.
func checkListing(response *http.Response) error {
	body := bufio.NewReaderSize(&limited{response.Body, maxListing}, 2*kindPeek)
	head, err := body.Peek(kindPeek)
	if err != nil && err != io.EOF {
		return err
	}
	var src io.Reader = body
	if !bytes.Contains(head, []byte(listingKind)) {
		all, err := io.ReadAll(body)
		if err != nil {
			return err
		}
		if !bytes.Contains(all, []byte(listingKind)) {
			return fmt.Errorf("%w: %d bytes of type %.60q: %w", errNoListing, len(all), response.Header.Get("Content-Type"), io.ErrUnexpectedEOF)
		}
		src = bytes.NewReader(all)
	}
	response.Body = readCloser{src, response.Body}
	return nil
}

type readCloser struct {
	io.Reader
	io.Closer
}

// limited is src, which must not be longer than rest: the SDK keeps all of an answer in memory.
type limited struct {
	src  io.Reader
	rest int
}

func (l *limited) Read(p []byte) (int, error) {
	if l.rest == 0 {
		return 0, errLong
	}
	n, err := l.src.Read(p[:min(len(p), l.rest)])
	l.rest -= n
	return n, err
}

// isContinued reports whether the SDK itself asks for the rest of a body that broke off: only then
// does it name a generation.
func isContinued(r *http.Request) bool {
	return r.Header.Get("Range") != "" && r.URL.Query().Get("generation") != ""
}

// checkContinued returns an error for a rest that is not that of the body before. Where the body
// was decoded, the SDK counts decoded bytes: a range of the stored ones would be another place, and
// would come without an error. The reader of an object then starts anew, and checks what comes.
func checkContinued(request *http.Request, response *http.Response) error {
	asked, got := request.URL.Query().Get("generation"), response.Header.Get("X-Goog-Generation")
	if got != "" && got != asked {
		return fmt.Errorf("%w: generation %s was asked for, %.30q came", errContinued, asked, got)
	}
	if response.Header.Get("Content-Encoding") == "gzip" { // Go does not decode a range
		return fmt.Errorf("%w: its encoding was undone, the rest comes encoded", errContinued)
	}
	return nil
}
