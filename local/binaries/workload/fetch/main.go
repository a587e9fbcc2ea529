// Prints what a URL answers: for looks at Services, names and certificates from inside a pod.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

func main() {
	authority := flag.String("authority", "", "file of certificates to trust")
	token := flag.String("token", "", "file of a bearer token to send")
	flag.Parse()
	if err := fetch(flag.Arg(0), *authority, *token); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func fetch(url, authority, token string) error {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := http.Client{Timeout: 10 * time.Second}
	if authority != "" {
		text, err := os.ReadFile(authority)
		if err != nil {
			return err
		}
		trusted := x509.NewCertPool()
		trusted.AppendCertsFromPEM(text)
		client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}}
	}
	if token != "" {
		text, err := os.ReadFile(token)
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", "Bearer "+string(text))
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(os.Stdout, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("status %d", answer.StatusCode)
	}
	return nil
}
