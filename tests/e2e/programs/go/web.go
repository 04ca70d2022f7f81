// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)

package main

import (
	"bufio"
	"fmt"
	"io"
	"io/ioutil"
	"net/http"
	"os"
	"path"
	"sync"
)

// Files for GET; a POST's body comes back as it was.
func webServer(o *options) {
	files := http.FileServer(http.Dir(o.folder))
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			files.ServeHTTP(w, r)
			return
		}
		body, err := ioutil.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), 500)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Write(body)
	})}
	listener := listen(o)
	server.TLSConfig = o.config()
	if o.http1 {
		server.TLSConfig.NextProtos = []string{"http/1.1"}
	}
	fmt.Println("listening")
	die(server.ServeTLS(listener, "", ""))
}

func get(client *http.Client, to, url string) error {
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != 200 {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	if to == "" {
		_, err = io.Copy(ioutil.Discard, response.Body)
		return err
	}
	file, err := os.Create(path.Join(to, path.Base(url)))
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(file, response.Body)
	return err
}

// Each connection has a transport of its own: one that has several opens more connections than
// it needs, and breaks off the rest.
func webClient(o *options, urls []string) {
	input := bufio.NewScanner(os.Stdin)
	config := o.config()
	clients := make([]*http.Client, o.connections)
	for i := range clients {
		clients[i] = &http.Client{Transport: &http.Transport{
			TLSClientConfig:   config.Clone(),
			ForceAttemptHTTP2: !o.http1,
			DisableKeepAlives: o.resume,
		}}
	}
	var all sync.WaitGroup
	for i, client := range clients {
		all.Add(1)
		go func(i int, client *http.Client) {
			defer all.Done()
			for ; i < len(urls); i += len(clients) {
				if o.hold && !input.Scan() {
					return
				}
				die(get(client, o.to, urls[i]))
				if o.hold {
					fmt.Println("got", path.Base(urls[i]))
				}
			}
			client.CloseIdleConnections()
		}(i, client)
	}
	all.Wait()
}
