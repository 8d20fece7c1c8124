package transient

import (
	"errors"
	"io/fs"
	"net/http"

	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/internal/attention"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/httpstatus"
)

// Absent reports whether err clearly says that the object does not exist. gocloud's code is not
// enough: gcsblob maps a refused access (403) to NotFound too, and a folder or a run that cannot be
// seen must not be taken for one that is not there.
func Absent(err error) bool {
	if err == nil || gcerrors.Code(err) != gcerrors.NotFound || Refused(err) {
		return false
	}
	status := answered(err)
	return status == 0 || status == http.StatusNotFound
}

// Refused reports whether the store, or the operating system, denies the access. That does not pass
// until a person changes it.
func Refused(err error) bool {
	if err == nil {
		return false
	}
	switch answered(err) {
	case http.StatusUnauthorized, http.StatusForbidden:
		return true
	}
	return gcerrors.Code(err) == gcerrors.PermissionDenied || errors.Is(err, fs.ErrPermission)
}

// Explain returns err with a text without secrets, which drivers take over from the URLs of their
// requests, and marked for the attention of a person if the access was refused.
func Explain(err error) error {
	if err = guard.Shown(err); Refused(err) {
		return attention.Mark(err)
	}
	return err
}

// Answered reports whether err tells of an answer of the store.
func Answered(err error) bool { return answered(err) != 0 }

// answered returns the HTTP status of the answer that err tells of, 0 if it does not tell.
func answered(err error) (status int) {
	walk(err, func(err error) bool {
		status = httpstatus.Of(err)
		return status == 0
	})
	return status
}

// mostWalked bounds the errors that walk visits.
const mostWalked = 100

// walk calls visit for err and the errors that it wraps, until visit returns false.
func walk(err error, visit func(error) bool) {
	for next, n := []error{err}, 0; len(next) > 0 && n < mostWalked; n++ {
		err, next = next[0], next[1:]
		if err == nil {
			continue
		}
		if !visit(err) {
			return
		}
		switch e := err.(type) { //nolint:errorlint // walk visits each error of the chain
		case interface{ Unwrap() error }:
			next = append(next, e.Unwrap())
		case interface{ Unwrap() []error }:
			next = append(next, e.Unwrap()...)
		}
	}
}
