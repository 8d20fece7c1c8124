package dmapweb

import (
	"encoding/json"
	"io"
	"net/http"

	"github.com/go-dmap/dmap/internal/guard"
)

// Bounds of requests and answers.
const (
	maxBody    = 64 << 10
	maxMessage = 4 << 10
)

// httpError is an error with a status.
type httpError struct {
	status int
	text   string
}

func (e *httpError) Error() string { return e.text }

func notFound(text string) error { return &httpError{http.StatusNotFound, text} }

func badRequest(text string) error { return &httpError{http.StatusBadRequest, text} }

func conflict(text string) error { return &httpError{http.StatusConflict, text} }

func refuse(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	content, err := json.Marshal(map[string]string{"error": text})
	if err == nil {
		_, _ = w.Write(content)
	}
}

func answer(w http.ResponseWriter, v any) error {
	content, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(content) // an error: the reader has left
	return nil
}

// decodeBody reads the one JSON value of a request, without unknown fields.
func decodeBody(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return badRequest("the body is no such request: " + guard.Text(err, maxMessage))
	}
	if _, err := d.Token(); !guard.Is(err, io.EOF) {
		return badRequest("the body has more than one JSON value")
	}
	return nil
}
