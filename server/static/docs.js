// Swagger UI on /docs. Calls that change something carry the session's CSRF token.
const target = document.getElementById("swagger");
const csrf = document.querySelector('meta[name="csrf-token"]').content;
window.SwaggerUIBundle({
  domNode: target,
  url: target.dataset.openapiUrl,
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
  requestInterceptor: (request) => {
    if (new URL(request.url, location.href).origin === location.origin) request.headers["X-CSRF-Token"] = csrf;
    return request;
  },
});
