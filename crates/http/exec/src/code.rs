//! `/api/sessions/{id}/code` and `/host`.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Path};
use pentad_http_kit::{Fault, JsonBody, Principal, Query};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Api;
use crate::sessions::session_id;

/// Code to be stored.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = exec::StoreCode, example = json!({"code": "print('hello')", "description": "Says hello."}))]
pub(crate) struct CodeBody {
    /// The program.
    code: String,
    /// What it is for; without it the last one stays.
    description: Option<String>,
}

/// That code was stored.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = exec::StoredCode)]
pub(crate) struct Stored {
    success: bool,
    /// Characters of the code.
    code_length: usize,
    updated_at: String,
}

/// Stored code.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = exec::Code)]
pub(crate) struct CodeAnswer {
    code: String,
    description: Option<String>,
    updated_at: String,
    /// Characters of the code.
    code_length: usize,
}

/// Where a port of a session is reached.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = exec::Host)]
pub(crate) struct HostAnswer {
    /// The address of the port, to which a path is added.
    url: String,
    /// The same.
    base_url: String,
    session_id: String,
    port: u16,
}

/// Store code in a session
///
/// It runs when a run brings none, and answers requests to `/proxy/…`.
#[utoipa::path(put, path = "/api/sessions/{id}/code", tag = "exec", request_body = CodeBody,
    params(("id" = String, Path, description = "The session.", example = "my-session")),
    responses((status = 200, description = "It is stored.", body = Stored),
              (status = 400, description = "There is no code in the body."),
              (status = 404, description = "There is no such session."),
              (status = 413, description = "The code is larger than 1 MiB.")))]
pub(crate) async fn put_code(
    api: Data<Api>,
    principal: Principal,
    id: Path<String>,
    JsonBody(body): JsonBody<CodeBody>,
) -> Result<Json<Stored>, Fault> {
    let id = session_id(&id)?;
    let code = api
        .exec
        .set_code(&principal.actor, &id, body.code, body.description)
        .await?;
    Ok(Json(Stored {
        success: true,
        code_length: code.code.chars().count(),
        updated_at: code.updated_at.to_string(),
    }))
}

/// Read the stored code
#[utoipa::path(get, path = "/api/sessions/{id}/code", tag = "exec",
    params(("id" = String, Path, description = "The session.", example = "my-session")),
    responses((status = 200, description = "The code.", body = CodeAnswer),
              (status = 404, description = "There is no such session, or no code in it: `CODE_NOT_FOUND`.")))]
pub(crate) async fn get_code(
    api: Data<Api>,
    principal: Principal,
    id: Path<String>,
) -> Result<Json<CodeAnswer>, Fault> {
    let code = api.exec.code(&principal.actor, &session_id(&id)?).await?;
    Ok(Json(CodeAnswer {
        code_length: code.code.chars().count(),
        code: code.code,
        description: code.description,
        updated_at: code.updated_at.to_string(),
    }))
}

/// Where a port of a session is reached
///
/// The address works without a key once `allowPublicAccess` is set: whoever knows it may use it.
#[utoipa::path(get, path = "/api/sessions/{id}/host", tag = "exec",
    params(("id" = String, Path, description = "The session.", example = "my-session"),
           ("port" = u16, Query, description = "The port, 1 to 65535.", example = 3000)),
    responses((status = 200, description = "The address.", body = HostAnswer),
              (status = 400, description = "The port is missing or none."),
              (status = 404, description = "There is no such session.")))]
pub(crate) async fn host(
    api: Data<Api>,
    principal: Principal,
    request: HttpRequest,
    id: Path<String>,
    query: Query,
) -> Result<Json<HostAnswer>, Fault> {
    let port = query
        .integer("port", &(1..=65535))?
        .and_then(|port| u16::try_from(port).ok())
        .ok_or_else(|| Fault::invalid("port is missing: a whole number from 1 to 65535"))?;
    let session = api.exec.session(&principal.actor, &session_id(&id)?).await?;
    let origin = api.public_url.origin(&request);
    // By the key, which belongs to this session alone: another organisation may use the same id.
    let url = format!("{origin}/proxy/{}/{port}", session.key);
    Ok(Json(HostAnswer {
        base_url: url.clone(),
        url,
        session_id: session.id.to_string(),
        port,
    }))
}
