// Starts Swagger UI on the API's own document. A signed-in page may try operations: it sends the CSRF token along.
"use strict";

(() => {
  const place = document.getElementById("docs");
  const safe = ["GET", "HEAD"];
  SwaggerUIBundle({
    url: place.dataset.schema,
    domNode: place,
    presets: [SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    validatorUrl: null,
    requestInterceptor: (request) => {
      const here = new URL(request.url, document.baseURI).origin === window.location.origin;
      if (here && !safe.includes((request.method || "GET").toUpperCase())) {
        request.headers["X-CSRFToken"] = place.dataset.csrf;
      }
      return request;
    },
  });
})();
