// A small web application, to be deployed: it tells which build it is and what it was configured
// with, logs each request, ends when it is asked to, and does not start if its build is broken.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const graceful = 10 * time.Second

func main() {
	build, port := os.Getenv("SAMPLE_BUILD"), os.Getenv("PORT")
	if port == "" {
		port = "5000"
	}
	if os.Getenv("SAMPLE_BROKEN") != "" {
		fmt.Printf("build %s cannot start: it is broken\n", build)
		os.Exit(3)
	}
	http.HandleFunc("/", func(answer http.ResponseWriter, request *http.Request) {
		fmt.Printf("%s %s\n", request.Method, request.URL.Path)
		fmt.Fprintf(answer, "build %s\n", build)
	})
	http.HandleFunc("/environment/{name}", func(answer http.ResponseWriter, request *http.Request) {
		fmt.Fprintf(answer, "%s\n", os.Getenv(request.PathValue("name")))
	})
	server := &http.Server{Addr: ":" + port, ReadHeaderTimeout: graceful}
	asked, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- server.ListenAndServe() }()
	fmt.Printf("build %s listens on port %s\n", build, port)
	select {
	case err := <-ended:
		fmt.Println(err)
		os.Exit(1)
	case <-asked.Done():
	}
	limit, cancel := context.WithTimeout(context.Background(), graceful)
	defer cancel()
	if err := server.Shutdown(limit); err != nil {
		fmt.Println(err)
	}
	fmt.Printf("build %s ends\n", build)
}
